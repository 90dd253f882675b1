//! The text, the variables over it, and where each setting came from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::VARIABLE_PREFIX;
use super::error::{ConfigError, Place, Problem};
use super::form::Form;

/// Longer lines are cut in messages.
const QUOTED_CHARACTERS_MAX: usize = 160;

/// Where every setting came from.
#[derive(Debug)]
pub(super) struct Source {
    file: PathBuf,
    text: String,
    /// Where each `section.key` has its value in the text.
    spans: BTreeMap<String, Range<usize>>,
    /// Which variable set each `section.key`.
    variables: BTreeMap<String, String>,
}

/// A setting from the environment, known to fit.
struct Override {
    variable: String,
    section: String,
    key: String,
    /// A whole TOML document that sets this key alone.
    document: String,
}

impl Source {
    /// Reads file and variables into a form.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] at the first thing that is no TOML, no known key or of another type.
    pub(super) fn read(
        file: &Path,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Self, Form), ConfigError> {
        let mut source =
            Self { file: file.to_owned(), text: text.to_owned(), spans: BTreeMap::new(), variables: BTreeMap::new() };
        let mut table = match Deserializer::parse(text).and_then(|de| Form::deserialize(de).map(drop)) {
            Ok(()) => DeTable::parse(text).map_err(|error| source.refuse(&error))?,
            Err(error) => return Err(source.refuse(&error)),
        };
        source.note_spans(table.get_ref());

        let overrides = overrides(variables)?;
        for entry in &overrides {
            // It was read as a whole document before, so it parses.
            if let Ok(over) = DeTable::parse(&entry.document) {
                merge(table.get_mut(), over.into_inner());
            }
            source.variables.insert(format!("{}.{}", entry.section, entry.key), entry.variable.clone());
        }
        let form = Form::deserialize(Deserializer::from(table)).map_err(|error| source.refuse(&error))?;
        Ok((source, form))
    }

    /// A problem with the value of `section.key`, wherever it came from.
    pub(super) fn problem(&self, section: &str, key: &str, message: impl Into<String>) -> Problem {
        let name = format!("{section}.{key}");
        let place = if let Some(variable) = self.variables.get(&name) {
            Place::Variable(variable.clone())
        } else if let Some(span) = self.spans.get(&name) {
            self.line(span)
        } else {
            Place::Default { file: self.file.clone(), key: name.clone() }
        };
        Problem { place, message: format!("{name} {}", message.into()) }
    }

    fn note_spans(&mut self, table: &DeTable<'_>) {
        for (section, value) in table {
            let Some(keys) = value.get_ref().as_table() else {
                continue;
            };
            for (key, value) in keys {
                self.spans.insert(format!("{}.{}", section.get_ref(), key.get_ref()), value.span());
            }
        }
    }

    fn refuse(&self, error: &toml::de::Error) -> ConfigError {
        let place = self.line(&error.span().unwrap_or(0..0));
        ConfigError::Invalid(vec![Problem { place, message: one_line(error.message()) }])
    }

    fn line(&self, span: &Range<usize>) -> Place {
        let start = character_start(&self.text, span.start);
        let end = character_start(&self.text, span.end.max(start));
        let (before, after) = self.text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = after.find('\n').map_or(self.text.len(), |at| start + at);
        let meant = self.text.get(start..end.min(line_end)).unwrap_or_default();
        Place::Line {
            file: self.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            width: meant.chars().count().min(QUOTED_CHARACTERS_MAX),
            text: self.text.get(line_start..line_end).unwrap_or_default().chars().take(QUOTED_CHARACTERS_MAX).collect(),
        }
    }
}

/// The start of the character that byte `at` belongs to, or the end of the text.
fn character_start(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn overrides(variables: impl IntoIterator<Item = (String, String)>) -> Result<Vec<Override>, ConfigError> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for (variable, value) in variables {
        let Some(name) = variable.strip_prefix(VARIABLE_PREFIX) else {
            continue;
        };
        match override_of(&variable, name, &value) {
            Ok(entry) => found.push(entry),
            Err(message) => problems.push(Problem { place: Place::Variable(variable), message }),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(ConfigError::Invalid(problems)) }
}

/// Reads the value as TOML where that fits the key (numbers, true and false, quoted text), else as the text it is.
fn override_of(variable: &str, name: &str, value: &str) -> Result<Override, String> {
    let name = name.to_ascii_lowercase();
    let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
    let Some((section, key)) = name.split_once("__").filter(|(section, key)| is_plain(section) && is_plain(key)) else {
        return Err(format!("the name must be {VARIABLE_PREFIX}SECTION__KEY"));
    };
    let quoted = toml::Value::String(value.to_owned()).to_string();
    let as_toml = DeValue::parse(value).is_ok();
    let candidates = if as_toml { vec![Cow::Borrowed(value), Cow::Owned(quoted)] } else { vec![Cow::Owned(quoted)] };
    let mut first_error = None;
    for candidate in candidates {
        let document = format!("[{section}]\n{key} = {candidate}\n");
        match toml::from_str::<Form>(&document) {
            Ok(_) => {
                let (section, key) = (section.to_owned(), key.to_owned());
                return Ok(Override { variable: variable.to_owned(), section, key, document });
            }
            Err(error) => {
                first_error.get_or_insert_with(|| one_line(error.message()));
            }
        }
    }
    Err(first_error.unwrap_or_default())
}

fn merge<'i>(table: &mut DeTable<'i>, over: DeTable<'i>) {
    for (section, value) in over {
        let DeValue::Table(keys) = value.into_inner() else {
            continue;
        };
        let place = table.entry(section).or_insert_with(|| Spanned::new(0..0, DeValue::Table(DeTable::new())));
        if let DeValue::Table(held) = place.get_mut() {
            held.extend(keys);
        }
    }
}
