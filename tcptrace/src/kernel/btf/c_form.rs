//! Types -> their declarations in C, for comparing prototypes and printing them.
//!
//! Declarators nest inside out (`void (*)(struct sock *)`), so a type is written around what has
//! been written so far. A type that is cyclic, or longer than any real one, has no form: None.

use super::Btf;
use super::index::{Kind, Type};

/// How many types may be looked at, and how long the text may get, for one prototype.
const MAX_STEPS: usize = 1 << 10;
const MAX_LEN: usize = 1 << 12;
/// How deep function types may nest as parameters of each other: each level is a call on the
/// stack. Real kernels have up to three.
const MAX_DEPTH: usize = 16;

/// A function's parameters and result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prototype {
    /// In order. A variadic function ends with a parameter of the type `...`.
    pub params: Vec<Param>,
    /// The type of the result in C form, `void` for none.
    pub ret: String,
}

/// One parameter of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Its name. None where the kernel records none, as in typedefs.
    pub name: Option<String>,
    /// Its type in C form, such as `const struct sock *`.
    pub type_name: String,
}

impl Prototype {
    /// The prototype a FUNC_PROTO record describes. None for other kinds and damaged types.
    pub(super) fn of(btf: &Btf, proto: Type<'_>) -> Option<Prototype> {
        if proto.kind != Kind::FuncProto {
            return None;
        }
        let mut writer = Writer {
            btf,
            steps: MAX_STEPS,
            depth: MAX_DEPTH,
        };
        let params = proto
            .elements::<2>()
            .map(|param| {
                let type_name = writer.param(param)?;
                Some(Param {
                    name: btf.name(param[0]).map(str::to_owned),
                    type_name,
                })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Prototype {
            params,
            ret: writer.around(proto.size_or_type, String::new())?,
        })
    }

    /// The position of the first parameter of this name. None where no parameter has it, which is
    /// so for every parameter of a tracepoint's typedef.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.params
            .iter()
            .position(|param| param.name.as_deref() == Some(name))
    }
}

struct Writer<'a> {
    btf: &'a Btf,
    /// Types that may still be looked at.
    steps: usize,
    /// Levels of nesting that may still be entered.
    depth: usize,
}

impl Writer<'_> {
    fn param(&mut self, [name_off, type_id]: [u32; 2]) -> Option<String> {
        if name_off == 0 && type_id == 0 {
            return Some("...".to_owned());
        }
        self.around(type_id, String::new())
    }

    /// The type `id` written around `inner`, the declarator so far.
    fn around(&mut self, mut id: u32, mut inner: String) -> Option<String> {
        // Qualifiers met since the last pointer: they belong to what comes next.
        let mut qualifiers = String::new();
        loop {
            self.steps = self.steps.checked_sub(1)?;
            if inner.len() > MAX_LEN {
                return None;
            }
            let Some(ty) = self.btf.ty(id) else {
                // Only 0 is void; any other id without a type is damage.
                return (id == 0).then(|| join(&qualifiers, "void", &inner));
            };
            let name = || self.btf.name(ty.name_off);
            let tagged = |tag: &str| {
                Some(join(
                    &qualifiers,
                    &format!("{tag} {}", name().unwrap_or("{}")),
                    &inner,
                ))
            };
            match ty.kind {
                Kind::Const => qualifiers.push_str("const "),
                Kind::Volatile => qualifiers.push_str("volatile "),
                Kind::Restrict => qualifiers.push_str("restrict "),
                Kind::TypeTag => {}
                Kind::Ptr => {
                    inner = format!("*{qualifiers}{inner}").trim_end().to_owned();
                    qualifiers.clear();
                }
                Kind::Array => {
                    let [of, _index, count] = ty.elements::<3>().next()?;
                    inner = format!("{}[{count}]", bracketed(inner));
                    id = of;
                    continue;
                }
                Kind::FuncProto => {
                    self.depth = self.depth.checked_sub(1)?;
                    let params: Option<Vec<_>> =
                        ty.elements::<2>().map(|param| self.param(param)).collect();
                    self.depth += 1;
                    inner = format!("{}({})", bracketed(inner), params?.join(", "));
                }
                Kind::Int | Kind::Float | Kind::Typedef => {
                    return Some(join(&qualifiers, name()?, &inner));
                }
                Kind::Struct => return tagged("struct"),
                Kind::Union => return tagged("union"),
                Kind::Enum | Kind::Enum64 => return tagged("enum"),
                Kind::Fwd => return tagged(if ty.flag { "union" } else { "struct" }),
                Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag => return None,
            }
            id = ty.size_or_type;
        }
    }
}

fn join(qualifiers: &str, base: &str, inner: &str) -> String {
    let gap = if inner.is_empty() { "" } else { " " };
    format!("{qualifiers}{base}{gap}{inner}")
}

/// A pointer to an array or a function needs brackets; nothing else does.
fn bracketed(inner: String) -> String {
    if inner.starts_with('*') {
        format!("({inner})")
    } else {
        inner
    }
}
