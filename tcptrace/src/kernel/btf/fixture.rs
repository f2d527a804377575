//! For tests: writes small valid BTF blobs (header, types, strings).

/// A blob under construction. Every method that adds a type returns its id.
pub(crate) struct Blob {
    types: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
}

pub(crate) const PTR: u32 = 2;
pub(crate) const STRUCT: u32 = 4;
pub(crate) const UNION: u32 = 5;
pub(crate) const FWD: u32 = 7;
pub(crate) const TYPEDEF: u32 = 8;
pub(crate) const VOLATILE: u32 = 9;
pub(crate) const CONST: u32 = 10;
pub(crate) const RESTRICT: u32 = 11;
pub(crate) const FUNC: u32 = 12;
pub(crate) const TYPE_TAG: u32 = 18;

impl Blob {
    /// A blob with `long unsigned int` (id 1) and `int` (id 2).
    pub(crate) fn new() -> Blob {
        let mut blob = Blob {
            types: Vec::new(),
            strings: vec![0],
            count: 0,
        };
        blob.int("long unsigned int", 8, 0, 64);
        blob.int("int", 4, 1, 32);
        blob
    }

    pub(crate) fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }

    /// Any record: `kind`, its flag, its element count, and the words of its tail.
    pub(crate) fn record(
        &mut self,
        name: &str,
        (kind, flag, vlen): (u32, bool, u32),
        size_or_type: u32,
        tail: &[u32],
    ) -> u32 {
        let name_off = self.string(name);
        let info = u32::from(flag) << 31 | kind << 24 | vlen;
        for word in [name_off, info, size_or_type].iter().chain(tail) {
            self.types.extend_from_slice(&word.to_ne_bytes());
        }
        self.count += 1;
        self.count
    }

    pub(crate) fn int(&mut self, name: &str, size: u32, encoding: u32, bits: u32) -> u32 {
        self.record(name, (1, false, 0), size, &[encoding << 24 | bits])
    }

    /// PTR, TYPEDEF, FUNC, a qualifier or a tag.
    pub(crate) fn refer(&mut self, kind: u32, name: &str, to: u32) -> u32 {
        self.record(name, (kind, false, 0), to, &[])
    }

    pub(crate) fn array(&mut self, of: u32, count: u32) -> u32 {
        self.record("", (3, false, 0), 0, &[of, 2, count])
    }

    /// A struct or union; members are name, type, offset in bits.
    pub(crate) fn aggregate(
        &mut self,
        kind: u32,
        name: &str,
        size: u32,
        members: &[(&str, u32, u32)],
    ) -> u32 {
        self.members((kind, false), name, size, members)
    }

    /// A struct with its flag set; offsets carry widths in the highest byte.
    pub(crate) fn bitfields(&mut self, name: &str, members: &[(&str, u32, u32)]) -> u32 {
        self.members((STRUCT, true), name, 8, members)
    }

    fn members(
        &mut self,
        (kind, flag): (u32, bool),
        name: &str,
        size: u32,
        members: &[(&str, u32, u32)],
    ) -> u32 {
        let tail: Vec<u32> = members
            .iter()
            .flat_map(|&(name, ty, at)| [self.string(name), ty, at])
            .collect();
        self.record(name, (kind, flag, members.len() as u32), size, &tail)
    }

    pub(crate) fn enumeration(&mut self, name: &str, flag: bool, values: &[(&str, i32)]) -> u32 {
        let tail: Vec<u32> = values
            .iter()
            .flat_map(|&(name, v)| [self.string(name), v.cast_unsigned()])
            .collect();
        self.record(name, (6, flag, values.len() as u32), 4, &tail)
    }

    pub(crate) fn enumeration64(&mut self, name: &str, values: &[(&str, i64)]) -> u32 {
        let tail: Vec<u32> = values
            .iter()
            .flat_map(|&(name, v)| [self.string(name), v as u32, (v >> 32) as u32])
            .collect();
        self.record(name, (19, true, values.len() as u32), 8, &tail)
    }

    pub(crate) fn proto(&mut self, ret: u32, params: &[(&str, u32)]) -> u32 {
        let tail: Vec<u32> = params
            .iter()
            .flat_map(|&(name, ty)| [self.string(name), ty])
            .collect();
        self.record("", (13, false, params.len() as u32), ret, &tail)
    }

    /// The finished blob.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&0xeb9f_u16.to_ne_bytes());
        out.extend_from_slice(&[1, 0]);
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        for word in [24, 0, types, types, strings] {
            out.extend_from_slice(&word.to_ne_bytes());
        }
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&self.strings);
        out
    }
}

/// Says on stderr that a test could not do its work here: a silent pass would be a lie.
#[expect(clippy::print_stderr, reason = "tests have no other output")]
pub(crate) fn skipped(why: impl std::fmt::Display) {
    eprintln!("SKIPPED: {why}");
}
