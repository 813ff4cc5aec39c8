//! The scheduler's own configuration: a KubeSchedulerConfiguration file, taken as it is.

use super::Lowering;
use crate::backend::sim::setup::{ClientLimit, Params};
use crate::engine::Span;
use crate::scenario::decode::decode;
use crate::scenario::diagnostic::{Code, Diagnostic, suggestion};
use crate::scheduler::Profile;
use crate::scheduler::config::{Configuration, known_plugins};

impl Lowering<'_> {
    /// Returns the profiles that the scenario's file states, and sets back-off and client; `control` wins over the file.
    pub(super) fn scheduler(&mut self, minor: u32, params: &mut Option<Params>) -> Vec<Profile> {
        let Some(file) = &self.scenario.cluster.scheduler else { return Vec::new() };
        let loaded = self.loaded;
        let Some(document) = loaded.files.documents.get(file).and_then(|all| all.first()) else {
            return Vec::new();
        };
        let configuration: Configuration = match decode(&loaded.sources, document) {
            Ok(configuration) => configuration,
            Err(problem) => {
                self.problems.push(problem);
                return Vec::new();
            }
        };
        if !configuration.extenders.is_empty() {
            let message = "extenders of the scheduler are not called";
            self.report_at(
                Diagnostic::warning(Code::NotSimulated, message),
                document.place_of_key("extenders"),
            );
        }
        if let Some(params) = params {
            self.apply_limits(&configuration, params);
        }
        match configuration.profiles(minor) {
            Ok(profiles) => profiles,
            Err(faults) => {
                for fault in faults {
                    let at = document.place_of(&fault.path);
                    let mut problem = Diagnostic::error(Code::InvalidValue, fault.message);
                    if fault.is_unknown_plugin
                        && let Some(name) =
                            document.value_at(&fault.path).and_then(|node| node.as_str())
                    {
                        problem.code = Code::UnknownName;
                        problem.help = suggestion(name, known_plugins());
                    }
                    self.report_at(problem, at);
                }
                Vec::new()
            }
        }
    }

    fn apply_limits(&self, configuration: &Configuration, params: &mut Params) {
        let control = &self.scenario.control;
        let (first, longest) = &mut params.schedule_backoff;
        if control.schedule_backoff.is_none() {
            if let Some(seconds) = configuration.pod_initial_backoff_seconds {
                *first = Span::from_secs(seconds);
            }
            if let Some(seconds) = configuration.pod_max_backoff_seconds {
                *longest = Span::from_secs(seconds);
            }
        }
        if control.scheduler_client.is_none() {
            let ClientLimit { qps, burst } = params.scheduler_client;
            let client = &configuration.client_connection;
            // kube-scheduler treats 0 as its default.
            let qps = client.qps.filter(|qps| *qps > 0.0 && qps.is_finite()).unwrap_or(qps);
            let burst = client.burst.filter(|burst| *burst > 0).unwrap_or(burst);
            params.scheduler_client = ClientLimit { qps, burst };
        }
    }
}
