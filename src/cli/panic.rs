//! What a bug of ours prints: where it is, and the command that repeats the run.

use super::output;
use crate::experiment::run::current;

/// Makes panics of this process say how to repeat them.
pub(super) fn install() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        let command: Vec<String> = std::env::args().map(|argument| quote(&argument)).collect();
        let run = current().map_or(String::new(), |(variant, seed)| {
            format!(" (variant `{variant}`, seed {seed})")
        });
        let version = env!("CARGO_PKG_VERSION");
        output::tell(&format!(
            "this is a bug of lwsim {version}; repeat it{run} with\n    {}\n",
            command.join(" ")
        ));
    }));
}

/// Returns an argument as a POSIX shell reads it.
fn quote(argument: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=./:,@%+".contains(letter);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn arguments_are_quoted_where_a_shell_needs_it() {
        for (argument, quoted) in [
            ("run", "run"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            ("a=1.5s", "a=1.5s"),
        ] {
            assert_eq!(quote(argument), quoted);
        }
    }
}
