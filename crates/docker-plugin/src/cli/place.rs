//! A command in the tree, and the words that lead to it.

use clap::Command;

/// Where a command stands.
#[derive(Clone, Debug)]
pub(super) struct Place<'t> {
    /// The command itself.
    pub(super) command: &'t Command,
    /// Its name and those of the commands above it, whatever alias was written.
    path: Vec<&'t str>,
}

impl<'t> Place<'t> {
    /// The top of the tree.
    pub(super) fn root(tree: &'t Command) -> Self {
        Self { command: tree, path: vec![tree.get_name()] }
    }

    /// Follows words down the tree as far as they name commands. Returns the other words too.
    pub(super) fn find<'w>(tree: &'t Command, words: &'w [&'w str]) -> (Self, &'w [&'w str]) {
        let (mut place, mut rest) = (Self::root(tree), words);
        while let [word, after @ ..] = rest
            && let Some(sub) = place.command.find_subcommand(word)
        {
            place.command = sub;
            place.path.push(sub.get_name());
            rest = after;
        }
        (place, rest)
    }

    /// The names below the top.
    pub(super) fn path(&self) -> &[&'t str] {
        &self.path[1..]
    }

    /// The full name, as users run it through docker: `docker hello say`.
    pub(super) fn name(&self) -> String {
        format!("docker {}", self.path.join(" "))
    }

    /// The full names by which it may be called: its own first, then its aliases.
    pub(super) fn names(&self) -> Vec<String> {
        let parent = Self { command: self.command, path: self.path[..self.path.len() - 1].to_vec() }.name();
        let names = std::iter::once(self.command.get_name()).chain(self.command.get_visible_aliases());
        names.map(|name| format!("{parent} {name}")).collect()
    }
}
