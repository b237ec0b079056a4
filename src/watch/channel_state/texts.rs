//! The label of a channel in diagnostics.

use std::sync::OnceLock;

use crate::sync::ForkMutex;

/// The name of a channel, and the description that replaces it in its label.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    name: ForkMutex<Option<glib::GString>>,
    /// The label of a channel without a name.
    description: OnceLock<Box<str>>,
}

impl Texts {
    pub(crate) fn name(&self) -> Option<glib::GString> {
        self.name.lock().clone()
    }

    /// Returns whether this has changed the name.
    pub(crate) fn set_name(&self, name: Option<glib::GString>) -> bool {
        let mut current = self.name.lock();
        let changed = *current != name;
        *current = name;
        changed
    }

    /// Sets the label of a channel without a name. The first one stays.
    pub(crate) fn set_description(&self, description: String) {
        self.description.get_or_init(|| description.into());
    }

    /// The label of a channel of this class.
    pub(crate) fn label(&self, class: &str) -> String {
        match (self.name(), self.description.get()) {
            (Some(name), _) => format!("{class} \"{name}\""),
            (None, Some(description)) => description.to_string(),
            (None, None) => class.to_owned(),
        }
    }
}
