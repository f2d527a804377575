//! What every scenario is made of: a namespace of its own, actors, a tracer and expectations.

pub(crate) mod actor;
pub(crate) mod actor_ops;
pub(crate) mod command;
pub(crate) mod confine;
pub(crate) mod counters;
pub(crate) mod events;
pub(crate) mod expect;
pub(crate) mod faulty_disk;
pub(crate) mod filter;
mod group;
pub(crate) mod hang;
pub(crate) mod pair;
pub(crate) mod pid_namespace;
pub(crate) mod reconcile;
pub(crate) mod runner;
pub(crate) mod shared;
pub(crate) mod space;
pub(crate) mod sys;
pub(crate) mod sys_ops;
pub(crate) mod tmux;
pub(crate) mod tracer;
pub(crate) mod verdict;
pub(crate) mod world;

pub(crate) use command::{Actor, Closed, Conn};
pub(crate) use expect::Expect;
pub(crate) use pair::Pair;
pub(crate) use runner::{Family, Scenario, scenarios};
pub(crate) use space::Space;
pub(crate) use tmux::Tmux;
pub(crate) use tracer::{Tracer, attaches, by_functions};
pub(crate) use world::World;
