//! Completions and the JSON Schema.

use crate::project::outcome;

#[test]
fn each_shell_gets_a_script_that_knows_the_subcommands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, errors) = outcome(&["completions", shell]);
        assert_eq!((code, errors.as_str()), (0, ""), "{shell}");
        for subcommand in ["run", "report", "explain", "schema"] {
            assert!(
                script.contains(subcommand),
                "the script for {shell} does not know `{subcommand}`"
            );
        }
    }
}

#[test]
fn an_unknown_shell_is_wrong_input() {
    let (code, output, errors) = outcome(&["completions", "sh"]);
    assert_eq!((code, output.as_str()), (2, ""));
    assert!(errors.contains("possible values: bash"), "{errors}");
}
