//! `--columns` and `--sort`: names of a table, or of the lines.

use std::fmt;
use std::marker::PhantomData;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::model::rows::Page;
use crate::sink::columns::Sort;
use crate::sink::table::{self, Tabled};
use crate::sink::text;

const OUTPUT: &str = "Output";
const COLUMNS: &str = "columns";
const SORT: &str = "sort";
const DESCENDING: &str = ":desc";

/// The columns of a table of `R`, and its order.
pub struct ColumnArgs<R> {
    /// In this order; empty: the usual ones.
    pub columns: Vec<String>,
    /// `None`: what is wrong first.
    pub sort: Option<Sort>,
    of: PhantomData<fn() -> R>,
}

impl<R: Tabled> ColumnArgs<R> {
    /// The rows in the order that was asked for.
    pub fn sorted(&self, mut page: Page<R>) -> Page<R> {
        if let Some(sort) = &self.sort {
            table::sort(&mut page, sort);
        }
        page
    }
}

impl<R> Clone for ColumnArgs<R> {
    fn clone(&self) -> Self {
        Self {
            columns: self.columns.clone(),
            sort: self.sort.clone(),
            of: PhantomData,
        }
    }
}

impl<R> fmt::Debug for ColumnArgs<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (&self.columns, &self.sort).fmt(f)
    }
}

impl<R> FromArgMatches for ColumnArgs<R> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let columns = matches.get_many::<String>(COLUMNS);
        Ok(Self {
            columns: columns.unwrap_or_default().cloned().collect(),
            sort: matches.get_one::<Sort>(SORT).cloned(),
            of: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<R: Tabled> Args for ColumnArgs<R> {
    fn augment_args(command: Command) -> Command {
        command
            .arg(columns(table::column_names::<R>()).help(
                "Print these columns: those of the table, or fields by their NDJSON names, such as \
                 owner.uid; a wrong name lists all",
            ))
            .arg(
                Arg::new(SORT)
                    .long(SORT)
                    .value_name("COLUMN[:desc]")
                    .help("Sort by this column; what is not known comes last")
                    .help_heading(OUTPUT)
                    .hide_possible_values(true)
                    .value_parser(sort(table::sort_names::<R>())),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The columns of the lines.
#[derive(Clone, Debug, Default)]
pub struct LineColumnArgs {
    /// In this order; empty: the usual ones.
    pub columns: Vec<String>,
}

impl FromArgMatches for LineColumnArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let columns = matches.get_many::<String>(COLUMNS);
        Ok(Self {
            columns: columns.unwrap_or_default().cloned().collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for LineColumnArgs {
    fn augment_args(command: Command) -> Command {
        command.arg(columns(text::column_names()).help(
            "Print these columns: those of the line, or fields by their NDJSON names, such as cause; one line \
             per incident, never folded; a wrong name lists all",
        ))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The option `--columns` with these names.
fn columns(names: Vec<String>) -> Arg {
    Arg::new(COLUMNS)
        .long(COLUMNS)
        .value_name("LIST")
        .help_heading(OUTPUT)
        .value_delimiter(',')
        .action(clap::ArgAction::Append)
        .hide_possible_values(true)
        .conflicts_with("json")
        .value_parser(PossibleValuesParser::new(names))
}

fn sort(names: Vec<String>) -> impl TypedValueParser<Value = Sort> {
    let descending = names.iter().map(|name| format!("{name}{DESCENDING}"));
    let descending: Vec<_> = descending
        .map(|name| PossibleValue::new(name).hide(true))
        .collect();
    let ascending = names.into_iter().map(PossibleValue::new);
    PossibleValuesParser::new(ascending.chain(descending)).map(|text| {
        let column = text.strip_suffix(DESCENDING);
        Sort {
            is_descending: column.is_some(),
            column: column.unwrap_or(&text).to_owned(),
        }
    })
}
