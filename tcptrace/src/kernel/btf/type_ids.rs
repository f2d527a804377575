//! The few types by which programs are attached, each at its id, as a blob of its own.
//!
//! The loader wants BTF only to turn such a name into an id. A reader that makes a value of each of
//! the kernel's 126,000 types took a third of a start and 25 MB for that; this blob has the same ids
//! and blanks in between. What the kernel does not have is not in it.

use super::Btf;
use super::index::Kind;

/// Header of a blob: magic, version, no flags, its own length; offsets and lengths follow.
const HEADER_WORDS: [u32; 2] = [u32::from_ne_bytes([0x9f, 0xeb, 1, 0]), 24];

/// Where one name lies.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TypeId {
    id: u32,
    kind: u32,
    name: String,
}

/// Names and ids of functions and of the typedefs that stand for tracepoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeIds(Vec<TypeId>);

impl TypeIds {
    /// Those of `names` that the kernel has.
    pub(crate) fn find<'a>(
        types: &Btf,
        typedefs: impl Iterator<Item = String>,
        functions: impl Iterator<Item = &'a str>,
    ) -> Self {
        let find = |name: &str, kind: Kind| {
            let (id, _) = types.find(name, |ty| ty.kind == kind)?;
            Some(TypeId {
                id,
                kind: kind.number(),
                name: name.to_owned(),
            })
        };
        let mut places: Vec<TypeId> = typedefs
            .filter_map(|name| find(&name, Kind::Typedef))
            .chain(functions.filter_map(|name| find(name, Kind::Func)))
            .collect();
        places.sort_by_key(|place| place.id);
        places.dedup();
        Self(places)
    }

    /// A blob with these names at these ids.
    pub(crate) fn blob(&self) -> Vec<u8> {
        let count = self.0.last().map_or(0, |place| place.id) as usize;
        let mut names = vec![0];
        // A blank is a forward declaration of nothing.
        let mut types = vec![[0, Kind::Fwd.number() << 24, 0]; count];
        for place in &self.0 {
            if let Some(ty) = types.get_mut(place.id as usize - 1) {
                *ty = [names.len() as u32, place.kind << 24, 0];
            }
            names.extend_from_slice(place.name.as_bytes());
            names.push(0);
        }
        let type_bytes = (count * 12) as u32;
        let sections = [0, type_bytes, type_bytes, names.len() as u32];
        let words = HEADER_WORDS.iter().chain(&sections);
        let words = words.chain(types.iter().flatten());
        let mut blob: Vec<u8> = Vec::with_capacity(24 + count * 12 + names.len());
        blob.extend(words.flat_map(|word| word.to_ne_bytes()));
        blob.extend(names);
        blob
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Blob, FUNC, PTR, TYPEDEF};
    use super::*;

    #[test]
    fn names_keep_their_ids_and_the_rest_is_blank() {
        let mut kernel = Blob::new();
        let proto = kernel.proto(0, &[]);
        let pointer = kernel.refer(PTR, "", proto);
        let typedef = kernel.refer(TYPEDEF, "btf_trace_x", pointer);
        kernel.refer(TYPEDEF, "other", pointer);
        let function = kernel.refer(FUNC, "f", proto);
        kernel.refer(FUNC, "g", proto);
        let kernel = Btf::parse(kernel.bytes()).unwrap();
        let typedefs = ["btf_trace_x", "btf_trace_absent"].map(str::to_owned);
        let places = TypeIds::find(&kernel, typedefs.into_iter(), ["f"].into_iter());
        let blob = Btf::parse(places.blob()).unwrap();
        let id = |name: &str, kind: Kind| Some(blob.find(name, |ty| ty.kind == kind)?.0);
        assert_eq!(id("btf_trace_x", Kind::Typedef), Some(typedef));
        assert_eq!(id("f", Kind::Func), Some(function));
        assert_eq!(id("g", Kind::Func), None);
        assert_eq!(id("other", Kind::Typedef), None);
        assert_eq!(id("btf_trace_absent", Kind::Typedef), None);
    }

    #[test]
    fn a_kernel_without_any_gives_an_empty_blob() {
        let blob = Btf::parse(TypeIds::default().blob()).unwrap();
        assert_eq!(blob.index.ids().count(), 0);
    }
}
