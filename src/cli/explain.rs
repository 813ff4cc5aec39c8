//! `lwsim explain`: what an object waited for, and why, in order.

use super::failure::Failure;
use super::output;
use crate::backend::record::WaitChain;
use crate::engine::{Span, Time};
use crate::experiment::events::read_events;
use crate::experiment::explain::{Story, SubjectError, explain};
use crate::experiment::result::{RunSummary, Summary};
use crate::scenario::schema::{Duration, Magnitude};
use crate::scenario::{Code, Diagnostic, nearest};
use clap::Args;
use std::path::PathBuf;

/// Names that a message lists at most.
const LISTED_MAX: usize = 20;

/// Arguments of `lwsim explain`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A results directory
    dir: PathBuf,
    /// A set, group or pod: `[set/|group/|pod/][namespace/]name`
    object: String,
    /// Tell only what went on at this time, for example `90s` or `1h30m`
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Time>,
    /// The variant [default: the first]
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// The seed [default: the first]
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
}

fn time(text: &str) -> Result<Time, String> {
    let seconds =
        text.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0).map(Span::from_secs_f64);
    let span = match seconds {
        Some(span) => span,
        None => {
            Duration::parse::<serde::de::value::Error>(text).map_err(|error| error.to_string())?.0
        }
    };
    Ok(Time::ZERO + span)
}

/// Prints the story of an object.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let summary = Summary::read(&arguments.dir).map_err(Failure::from_error)?;
    let (variant, run) = chosen(arguments, &summary)?;
    let records = read_events(&arguments.dir, &run.events_file).map_err(Failure::from_error)?;
    let records = records.collect::<Result<Vec<_>, _>>().map_err(Failure::from_error)?;
    let end = Time::ZERO + Span::from_secs_f64(run.end_s.0);
    let story = explain(&arguments.object, &records, end)
        .map_err(|error| unknown_object(arguments, error))?;
    let chains: Vec<&WaitChain> = match arguments.at {
        None => run.waits.iter().filter(|chain| concerns(chain, &story.subject.name)).collect(),
        Some(_) => Vec::new(),
    };
    let story = match arguments.at {
        Some(at) => story.at(at),
        None => story,
    };
    output::print(&draw(&story, variant, run.seed, &chains))
}

fn chosen<'a>(
    arguments: &Arguments,
    summary: &'a Summary,
) -> Result<(&'a str, &'a RunSummary), Failure> {
    let names: Vec<_> = summary.variants.keys().map(String::as_str).collect();
    let name = arguments.variant.as_deref().or(names.first().copied()).unwrap_or_default();
    let Some((name, variant)) = summary.variants.get_key_value(name) else {
        let message = format!("the results have no variant `{name}`");
        return Err(unknown("--variant", message, name, &names));
    };
    let seed = arguments.seed.or(variant.runs.first().map(|run| run.seed)).unwrap_or_default();
    let run = variant.runs.iter().find(|run| run.seed == seed).ok_or_else(|| {
        let seeds: Vec<_> = variant.runs.iter().map(|run| run.seed.to_string()).collect();
        let seeds: Vec<_> = seeds.iter().map(String::as_str).collect();
        unknown(
            "--seed",
            format!("the results have no run with seed {seed}"),
            &seed.to_string(),
            &seeds,
        )
    })?;
    Ok((name, run))
}

fn unknown_object(arguments: &Arguments, error: SubjectError) -> Failure {
    let object = &arguments.object;
    match error {
        SubjectError::Unknown(known) => {
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            unknown(
                "OBJECT",
                format!("the run has no set, group or pod `{object}`"),
                object,
                &known,
            )
        }
        SubjectError::Ambiguous(names) => {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let diagnostic =
                Diagnostic::error(Code::UnknownName, format!("`{object}` means several objects"));
            Failure::argument(
                diagnostic.in_file("OBJECT").with_help(format!("name one of {}", names.join(", "))),
            )
        }
    }
}

fn unknown(argument: &str, message: String, name: &str, known: &[&str]) -> Failure {
    let diagnostic = Diagnostic::error(Code::UnknownName, message).in_file(argument);
    // People leave the namespace out, so names are compared without it as well.
    let bare = known
        .iter()
        .map(|known| known.rsplit('/').next().expect("splitting gives at least one part"));
    let near = nearest(name, known.iter().copied()).or_else(|| nearest(name, bare));
    let listed: Vec<_> = known.iter().take(LISTED_MAX).map(|known| format!("`{known}`")).collect();
    Failure::argument(diagnostic.with_help(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if listed.len() < known.len() => {
            format!("known: {}, … ({} in all)", listed.join(", "), known.len())
        }
        None => format!("known: {}", listed.join(", ")),
    }))
}

fn concerns(chain: &WaitChain, name: &str) -> bool {
    let is_named = |object: &str| {
        object == name || object.split_once('/').is_some_and(|(_, rest)| rest == name)
    };
    chain.group == name || chain.chain.iter().any(|wait| is_named(&wait.object))
}

fn draw(story: &Story, variant: &str, seed: u64, chains: &[&WaitChain]) -> String {
    let mut lines =
        vec![format!("{} (variant `{variant}`, seed {seed})", story.subject), String::new()];
    let times: Vec<String> =
        story.episodes.iter().map(|episode| episode.from.to_string()).collect();
    let lasted = |index| {
        story.lasted(index).map_or(String::new(), |span: Span| (Time::ZERO + span).to_string())
    };
    let lengths: Vec<String> = (0..times.len()).map(lasted).collect();
    let width = |texts: &[String], title: &str| {
        texts.iter().map(String::len).chain([title.len()]).max().unwrap_or(0)
    };
    let (at, length) = (width(&times, "at"), width(&lengths, "for"));
    lines.push(format!("{:>at$}  {:>length$}", "at", "for"));
    for ((episode, time), lasted) in story.episodes.iter().zip(&times).zip(&lengths) {
        lines.push(format!("{time:>at$}  {lasted:>length$}  {}", episode.what));
        lines
            .extend(episode.why.iter().map(|why| format!("{:>at$}  {:>length$}    {why}", "", "")));
    }
    if story.episodes.is_empty() {
        lines.push("nothing had happened to it by then".into());
    }
    for chain in chains {
        lines.push(String::new());
        lines.push(format!("At the end `{}` still waits:", chain.group));
        lines.extend(
            chain
                .chain
                .iter()
                .map(|wait| format!("  {} waits for {}", wait.object, wait.waits_for)),
        );
    }
    lines.iter().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::record::{Record, Wait};

    #[test]
    fn times_read_as_durations_or_seconds() {
        let check = |text: &str, seconds: Option<u64>| {
            assert_eq!(
                time(text).ok(),
                seconds.map(|seconds| Time::ZERO + Span::from_secs(seconds)),
                "{text}"
            );
        };
        check("90s", Some(90));
        check("1h30m", Some(5400));
        check("12", Some(12));
        check("-1", None);
        check("soon", None);
    }

    #[test]
    fn a_story_is_drawn_in_columns_and_ends_with_what_is_still_waited_for() {
        let record = |second, what: &str| Record {
            at: Time::ZERO + Span::from_secs(second),
            what: serde_json::from_str(what).unwrap(),
        };
        let pod = |change: &str| {
            format!(r#"{{"pod": {{"pod": "default/a-0", "incarnation": 1, "change": {change}}}}}"#)
        };
        let records = [
            record(
                0,
                &pod(
                    r#"{"created": {"group": "default/a-0", "revision": "r", "accelerators": 8}}"#,
                ),
            ),
            record(1, &pod(r#"{"unschedulable": "0/4 nodes are available"}"#)),
            record(100, &pod(r#""deleting""#)),
        ];
        let story = explain("a-0", &records, Time::ZERO + Span::from_secs(130)).unwrap();
        let wait = Wait { object: "Pod/default/a-0".into(), waits_for: "a node".into() };
        let chain = WaitChain { group: "default/a-0".into(), chain: vec![wait] };
        insta::assert_snapshot!(draw(&story, "base", 1, &[&chain]), @r"
        pod default/a-0 (variant `base`, seed 1)

              at       for
          0.000s  100.000s  created with revision `r` and 8 accelerators; waits for a node
                              no node fits: 0/4 nodes are available
        100.000s   30.000s  is being deleted; waits for its containers to stop

        At the end `default/a-0` still waits:
          Pod/default/a-0 waits for a node
        ");
    }
}
