//! A kernel's types and some questions -> a small blob that gives the same answers.
//!
//! Types are kept in their order, so that of several with one name the first still comes first.
//! Of a struct or an enum only the elements asked for are kept; a struct that is only pointed to
//! becomes a declaration. It invents nothing: what the whole blob does not have is left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::index::{Kind, Type};
use super::questions::Question;
use super::{Btf, MAX_CHAIN, is_aggregate, variants};

/// How deep anonymous structs may nest, as for looking members up.
const MAX_DEPTH: usize = 16;

/// The blob.
pub(super) fn blob(btf: &Btf, questions: &[Question]) -> Vec<u8> {
    let mut extract = Extract {
        btf,
        kept: BTreeMap::new(),
    };
    // The size of pointers is that of this type.
    let names = btf.index.strings(&btf.bytes);
    let is_long = |ty: Type<'_>| {
        ty.kind == Kind::Int
            && matches!(
                names.at(ty.name_off),
                Some(b"long unsigned int" | b"unsigned long")
            )
    };
    if let Some(id) = btf.index.ids().find(|id| btf.ty(*id).is_some_and(is_long)) {
        extract.keep(id, true);
    }
    for question in questions {
        // None is an answer too, and needs nothing.
        let _ = extract.answer(question);
    }
    Writer::new(btf, &extract.kept).write()
}

/// What is kept of a type.
#[derive(Default)]
struct Kept {
    /// TypeIds of members or variants.
    elements: BTreeSet<usize>,
    /// A struct is held by value: its size counts.
    is_sized: bool,
}

struct Extract<'a> {
    btf: &'a Btf,
    kept: BTreeMap<u32, Kept>,
}

impl Extract<'_> {
    fn answer(&mut self, question: &Question) -> Option<()> {
        let btf = self.btf;
        match question {
            Question::Field { strukt, path } => {
                let mut inside = self.aggregate(strukt)?;
                let mut segments = path.split('.').peekable();
                while let Some(name) = segments.next() {
                    let member = self.member(inside, name, MAX_DEPTH)?;
                    if segments.peek().is_some() {
                        inside = self.element(member)?;
                    }
                }
            }
            Question::Size(strukt) => {
                let id = self.aggregate(strukt)?;
                self.keep(id, true);
                // One member, whichever: a struct without any is a declaration.
                if self.kept.get(&id)?.elements.is_empty() {
                    self.keep_member(id, 0)?;
                }
            }
            Question::Enum(name) => {
                let (id, ty) = btf.enumeration(name)?;
                self.keep(id, true);
                self.kept.get_mut(&id)?.elements = (0..variants(ty).count()).collect();
            }
            Question::Variant(name) => {
                let names = btf.index.strings(&btf.bytes);
                let found = btf.index.enums.iter().find_map(|&id| {
                    let place = variants(btf.ty(id)?).position(|(off, _)| names.equal(off, name));
                    Some((id, place?))
                });
                let (id, place) = found?;
                self.keep(id, true);
                self.kept.get_mut(&id)?.elements.insert(place);
            }
            Question::Function(name) => {
                let (id, _) = btf.find(name, |ty| ty.kind == Kind::Func)?;
                self.keep(id, true);
            }
            Question::Typedef(name) => {
                let (id, _) = btf.find(name, |ty| ty.kind == Kind::Typedef)?;
                self.keep(id, true);
            }
        }
        Some(())
    }

    /// The struct of that name, or behind the typedef of that name, which is kept then.
    fn aggregate(&mut self, name: &str) -> Option<u32> {
        let (id, _) = self.btf.aggregate(name)?;
        if let Some((typedef, ty)) = self.btf.find(name, |ty| ty.kind == Kind::Typedef)
            && self
                .btf
                .strip_id(ty.size_or_type)
                .is_some_and(|(of, _)| of == id)
        {
            self.keep(typedef, true);
        }
        Some(id)
    }

    /// Keeps the member of that name, through anonymous structs; its type.
    fn member(&mut self, inside: u32, name: &str, depth: usize) -> Option<u32> {
        let ty = self.btf.ty(inside)?;
        let names = self.btf.index.strings(&self.btf.bytes);
        for (place, [name_off, type_id, _]) in ty.elements::<3>().enumerate() {
            if names.equal(name_off, name) {
                return self.keep_member(inside, place);
            }
            if names.equal(name_off, "")
                && let Some((nested, ty)) = self.btf.strip_id(type_id)
                && is_aggregate(&ty)
                && let Some(depth) = depth.checked_sub(1)
                && let Some(found) = self.member(nested, name, depth)
            {
                self.keep_member(inside, place)?;
                return Some(found);
            }
        }
        None
    }

    fn keep_member(&mut self, inside: u32, place: usize) -> Option<u32> {
        let [_, type_id, _] = self.btf.ty(inside)?.elements::<3>().nth(place)?;
        self.keep(inside, true);
        self.kept.get_mut(&inside)?.elements.insert(place);
        self.keep(type_id, true);
        Some(type_id)
    }

    /// The struct a member is, or is an array of.
    fn element(&self, type_id: u32) -> Option<u32> {
        let (mut id, mut ty) = self.btf.strip_id(type_id)?;
        for _ in 0..MAX_CHAIN {
            if ty.kind != Kind::Array {
                return is_aggregate(&ty).then_some(id);
            }
            let [of, _index, _count] = ty.elements::<3>().next()?;
            (id, ty) = self.btf.strip_id(of)?;
        }
        None
    }

    /// Keeps a type and what its size and its name in C need.
    fn keep(&mut self, id: u32, is_sized: bool) {
        let mut ahead = vec![(id, is_sized)];
        while let Some((id, is_sized)) = ahead.pop() {
            let Some(ty) = self.btf.ty(id) else { continue };
            let known = self.kept.get(&id).map(|kept| kept.is_sized);
            if known.is_some_and(|known| known || !is_sized) {
                continue;
            }
            self.kept.entry(id).or_default().is_sized |= is_sized;
            match ty.kind {
                Kind::Ptr => ahead.push((ty.size_or_type, false)),
                Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => {
                    ahead.push((ty.size_or_type, is_sized));
                }
                Kind::Func => ahead.push((ty.size_or_type, true)),
                Kind::Array => {
                    for [of, index, _count] in ty.elements::<3>() {
                        ahead.extend([(of, is_sized), (index, true)]);
                    }
                }
                Kind::FuncProto => {
                    ahead.push((ty.size_or_type, true));
                    ahead.extend(ty.elements::<2>().map(|[_, of]| (of, true)));
                }
                _ => {}
            }
        }
    }
}

struct Writer<'a> {
    btf: &'a Btf,
    kept: &'a BTreeMap<u32, Kept>,
    /// Old ids to new ones.
    ids: HashMap<u32, u32>,
    types: Vec<u8>,
    strings: Vec<u8>,
    known: HashMap<&'a [u8], u32>,
}

impl<'a> Writer<'a> {
    fn new(btf: &'a Btf, kept: &'a BTreeMap<u32, Kept>) -> Writer<'a> {
        Writer {
            btf,
            kept,
            ids: kept.keys().copied().zip(1..).collect(),
            types: Vec::new(),
            strings: vec![0],
            known: HashMap::new(),
        }
    }

    fn write(mut self) -> Vec<u8> {
        for (id, kept) in self.kept {
            if let Some(ty) = self.btf.ty(*id) {
                self.record(ty, kept);
            }
        }
        let mut blob = 0xeb9f_u16.to_ne_bytes().to_vec();
        blob.extend([1, 0]);
        let lengths = [self.types.len(), self.strings.len()].map(|len| len as u32);
        for word in [24, 0, lengths[0], lengths[0], lengths[1]] {
            blob.extend(word.to_ne_bytes());
        }
        blob.extend(self.types);
        blob.extend(self.strings);
        blob
    }

    fn record(&mut self, ty: Type<'a>, kept: &Kept) {
        let is_declaration = is_aggregate(&ty) && !kept.is_sized && self.name(ty.name_off) != 0;
        if is_declaration {
            let is_union = ty.kind == Kind::Union;
            self.head(ty.name_off, Kind::Fwd, is_union, 0, 0);
            return;
        }
        let is_chosen = |(place, _): &(usize, Vec<u32>)| kept.elements.contains(place);
        let chosen = |elements: Vec<Vec<u32>>| -> Vec<Vec<u32>> {
            let places = elements.into_iter().enumerate();
            places.filter(is_chosen).map(|(_, words)| words).collect()
        };
        let size = ty.size_or_type;
        let target = self.id(size);
        match ty.kind {
            Kind::Struct | Kind::Union => {
                let members = chosen(ty.elements::<3>().map(|words| words.to_vec()).collect());
                self.head(ty.name_off, ty.kind, ty.flag, members.len(), size);
                for words in members {
                    let member = [self.name(words[0]), self.id(words[1]), words[2]];
                    self.words(&member);
                }
            }
            Kind::Enum | Kind::Enum64 => {
                let variants = if ty.kind == Kind::Enum {
                    chosen(ty.elements::<2>().map(|words| words.to_vec()).collect())
                } else {
                    chosen(ty.elements::<3>().map(|words| words.to_vec()).collect())
                };
                self.head(ty.name_off, ty.kind, ty.flag, variants.len(), size);
                for mut words in variants {
                    words[0] = self.name(words[0]);
                    self.words(&words);
                }
            }
            Kind::FuncProto => {
                let params: Vec<[u32; 2]> = ty.elements::<2>().collect();
                self.head(ty.name_off, ty.kind, ty.flag, params.len(), target);
                for [name_off, of] in params {
                    let param = [self.name(name_off), self.id(of)];
                    self.words(&param);
                }
            }
            Kind::Array => {
                self.head(ty.name_off, ty.kind, ty.flag, 0, 0);
                for [of, index, count] in ty.elements::<3>() {
                    let array = [self.id(of), self.id(index), count];
                    self.words(&array);
                }
            }
            Kind::Int | Kind::Float | Kind::Fwd => {
                self.head(ty.name_off, ty.kind, ty.flag, 0, size);
                self.types.extend(ty.tail);
            }
            _ => self.head(ty.name_off, ty.kind, ty.flag, 0, target),
        }
    }

    fn head(&mut self, name_off: u32, kind: Kind, flag: bool, count: usize, size_or_type: u32) {
        let name = self.name(name_off);
        // A part has at most as many elements as the whole, where the count fitted.
        let info = u32::from(flag) << 31 | kind.number() << 24 | count as u32;
        self.words(&[name, info, size_or_type]);
    }

    fn words(&mut self, words: &[u32]) {
        self.types
            .extend(words.iter().flat_map(|w| w.to_ne_bytes()));
    }

    /// The new id of a type; void stays, and so does what the whole blob had no type for.
    fn id(&self, old: u32) -> u32 {
        self.ids.get(&old).copied().unwrap_or(0)
    }

    /// The new place of a name.
    fn name(&mut self, off: u32) -> u32 {
        let names = self.btf.index.strings(&self.btf.bytes);
        let Some(name) = names.at(off).filter(|name| !name.is_empty()) else {
            return 0;
        };
        let strings = &mut self.strings;
        *self.known.entry(name).or_insert_with(|| {
            let at = strings.len() as u32;
            strings.extend(name);
            strings.push(0);
            at
        })
    }
}
