//! Delays and limits.

use super::{EVENTS_MAX, Lowering};
use crate::backend::sim::setup::{Actor, ClientLimit, FreedCapacity, Params, Races};
use crate::controller::{Fix, Fixes};
use crate::engine::{Distribution, Span};
use crate::scenario::diagnostic::Code;
use crate::scenario::schema::{
    ActorSpec, ClientSpec, Control, DistributionSpec, Duration, FixSpec, FreedCapacitySpec, Size,
};

impl Lowering<'_> {
    /// Returns the upstream bugs that the scenario repairs.
    pub(super) fn fixes(&self) -> Fixes {
        let fix = |spec: &FixSpec| match spec {
            FixSpec::B1 => Fix::B1,
            FixSpec::B4 => Fix::B4,
            FixSpec::B5 => Fix::B5,
            FixSpec::B6 => Fix::B6,
            FixSpec::B7 => Fix::B7,
            FixSpec::B8 => Fix::B8,
            FixSpec::B9 => Fix::B9,
            FixSpec::B10 => Fix::B10,
        };
        self.scenario.fixes.iter().map(fix).collect()
    }

    /// Returns the parameters and the limit of events.
    pub(super) fn params(&mut self) -> (Option<Params>, u64) {
        let control = &self.scenario.control;
        let mut params = Params::default();
        let before = self.problems.len();
        self.delays(control, &mut params);
        self.clients(control, &mut params);
        self.rates(control, &mut params);
        self.periods(control, &mut params);
        self.node_life(control, &mut params);
        params.races = self.races();
        self.contest(&mut params);
        if let Some(failing) = control.kubelet.failing_readmission {
            params.kubelet.has_failing_readmission = failing;
        }
        if let Some(serialize) = control.serialize_image_pulls {
            params.serialize_image_pulls = serialize;
        }
        let events_max = control.events_max.unwrap_or(EVENTS_MAX);
        if events_max == 0 {
            self.error(
                Code::InvalidValue,
                "control.eventsMax",
                "expected a number of at least 1, found 0",
            );
        }
        ((self.problems.len() == before).then_some(params), events_max)
    }

    fn races(&mut self) -> Races {
        let (lag, order) = (&self.scenario.races.cache_lag, &self.scenario.races.order);
        let mut races = Races::default();
        for (spec, name, actor) in [
            (&lag.lws, "lws", Actor::Lws),
            (&lag.stateful_sets, "statefulSets", Actor::StatefulSets),
            (&lag.garbage_collector, "garbageCollector", Actor::GarbageCollector),
            (&lag.scheduler, "scheduler", Actor::Scheduler),
            (&lag.kubelets, "kubelets", Actor::Kubelets),
        ] {
            if let Some(spec) = spec
                && let Some(delay) = self.distribution(spec, &format!("races.cacheLag.{name}"))
            {
                races.cache_lag.push((actor, delay));
            }
        }
        races.first.extend(order.iter().map(|actor| match actor {
            ActorSpec::Lws => Actor::Lws,
            ActorSpec::StatefulSets => Actor::StatefulSets,
            ActorSpec::GarbageCollector => Actor::GarbageCollector,
            ActorSpec::Scheduler => Actor::Scheduler,
            ActorSpec::Kubelets => Actor::Kubelets,
        }));
        races
    }

    fn contest(&self, params: &mut Params) {
        let races = &self.scenario.races;
        params.contest.freed_capacity = match races.freed_capacity {
            None | Some(FreedCapacitySpec::ByTiming) => FreedCapacity::ByTiming,
            Some(FreedCapacitySpec::HighestIndex) => FreedCapacity::HighestIndex,
            Some(FreedCapacitySpec::LowestIndex) => FreedCapacity::LowestIndex,
        };
        if let Some(Duration(window)) = races.window {
            params.contest.window = window;
        }
    }

    fn delays(&mut self, control: &Control, params: &mut Params) {
        let mut set =
            |spec: &Option<DistributionSpec<Duration>>, name: &str, field: &mut Distribution| {
                if let Some(spec) = spec
                    && let Some(distribution) = self.distribution(spec, &format!("control.{name}"))
                {
                    *field = distribution;
                }
            };
        set(&control.api_write, "apiWrite", &mut params.api_write);
        set(&control.watch_delay, "watchDelay", &mut params.watch_delay);
        set(&control.reconcile, "reconcile", &mut params.reconcile);
        set(&control.statefulset_sync, "statefulsetSync", &mut params.statefulset_sync);
        set(&control.bind, "bind", &mut params.bind);
        set(&control.sandbox, "sandbox", &mut params.sandbox);
        set(&control.gc_delay, "gcDelay", &mut params.gc_delay);
        set(&control.kubelet.cleanup, "kubelet.cleanup", &mut params.kubelet.cleanup);
    }

    fn clients(&mut self, control: &Control, params: &mut Params) {
        let mut set = |spec: Option<ClientSpec>, name: &str, field: &mut ClientLimit| {
            let Some(ClientSpec { qps, burst }) = spec else { return };
            if !(qps.is_finite() && qps >= 0.0) {
                let message = format!("expected a number of at least 0, found {qps}");
                self.error(Code::InvalidValue, &format!("control.{name}.qps"), message);
            } else if qps > 0.0 && burst == 0 {
                let message = "a client with a burst of 0 could never send a request";
                self.error(Code::InvalidValue, &format!("control.{name}.burst"), message);
            }
            *field = ClientLimit { qps, burst };
        };
        set(control.api_server, "apiServer", &mut params.api_server);
        set(control.lws_client, "lwsClient", &mut params.lws_client);
        set(control.controller_client, "controllerClient", &mut params.controller_client);
        set(control.scheduler_client, "schedulerClient", &mut params.scheduler_client);
        if let Some(writes) = control.admission_writes {
            params.admission_writes = writes;
        }
        for (workers, name, field) in [
            (control.statefulset_workers, "statefulsetWorkers", &mut params.statefulset_workers),
            (control.gc_workers, "gcWorkers", &mut params.gc_workers),
        ] {
            match workers {
                Some(0) => {
                    let message = "expected at least 1 worker, found 0";
                    self.error(Code::InvalidValue, &format!("control.{name}"), message);
                }
                Some(workers) => *field = workers,
                None => {}
            }
        }
    }

    fn node_life(&mut self, control: &Control, params: &mut Params) {
        let spec = &control.node_life;
        let mut set = |value: Option<f64>, name: &str, field: &mut f64| {
            let Some(value) = value else { return };
            if !(value.is_finite() && value >= 0.0) {
                let message = format!("expected a number of at least 0, found {value}");
                self.error(Code::InvalidValue, &format!("control.nodeLife.{name}"), message);
            }
            *field = value;
        };
        set(spec.eviction_rate, "evictionRate", &mut params.node_life.eviction_rate);
        set(
            spec.secondary_eviction_rate,
            "secondaryEvictionRate",
            &mut params.node_life.secondary_eviction_rate,
        );
        set(
            spec.unhealthy_zone_share,
            "unhealthyZoneShare",
            &mut params.node_life.unhealthy_zone_share,
        );
        if let Some(nodes) = spec.large_zone_nodes {
            params.node_life.large_zone_nodes = nodes;
        }
    }

    fn rates(&mut self, control: &Control, params: &mut Params) {
        let mut set = |rate: Option<Size>, name: &str, field: &mut u64| match rate {
            Some(Size(0)) => {
                let message = "a link that carries nothing would hold up its transfers for ever";
                self.error(Code::InvalidValue, &format!("control.{name}"), message);
            }
            Some(Size(rate)) => *field = rate,
            None => {}
        };
        set(control.registry_rate, "registryRate", &mut params.registry_bytes_per_s);
        set(control.object_store_rate, "objectStoreRate", &mut params.object_store_bytes_per_s);
        set(control.nfs_rate, "nfsRate", &mut params.nfs_bytes_per_s);
        set(control.nic_rate, "nicRate", &mut params.nic_bytes_per_s);
        set(control.disk_rate, "diskRate", &mut params.disk_bytes_per_s);
    }

    fn periods(&mut self, control: &Control, params: &mut Params) {
        let set = |value: Option<Duration>, field: &mut Span| {
            if let Some(Duration(span)) = value {
                *field = span;
            }
        };
        set(control.schedule_base, &mut params.schedule_base);
        set(control.schedule_per_node, &mut params.schedule_per_node);
        set(control.schedule_backoff, &mut params.schedule_backoff.0);
        set(control.schedule_backoff_max, &mut params.schedule_backoff.1);
        set(control.probe_period, &mut params.probe_period);
        set(control.node_monitor_grace, &mut params.node_monitor_grace);
        set(control.node_monitor_period, &mut params.node_monitor_period);
        set(control.eviction_toleration, &mut params.eviction_toleration);
        set(control.restart_backoff, &mut params.restart_backoff.0);
        set(control.restart_backoff_max, &mut params.restart_backoff.1);
        set(control.kubelet.relist, &mut params.kubelet.relist);
        set(control.node_life.lease_renewal, &mut params.node_life.lease_renewal);
        set(control.node_life.pod_gc_period, &mut params.node_life.pod_gc_period);
        set(control.node_life.pod_gc_quarantine, &mut params.node_life.pod_gc_quarantine);
        // A period of zero would make an endless loop of events at one instant.
        for (period, name) in [
            (params.probe_period, "probePeriod"),
            (params.node_monitor_period, "nodeMonitorPeriod"),
            (params.schedule_backoff.0, "scheduleBackoff"),
            (params.restart_backoff.0, "restartBackoff"),
            (params.kubelet.relist, "kubelet.relist"),
            (params.node_life.lease_renewal, "nodeLife.leaseRenewal"),
            (params.node_life.pod_gc_period, "nodeLife.podGcPeriod"),
        ] {
            if period == Span::ZERO {
                self.error(
                    Code::InvalidValue,
                    &format!("control.{name}"),
                    "this period must be longer than 0",
                );
            }
        }
        for ((first, longest), name) in [
            (params.schedule_backoff, "scheduleBackoff"),
            (params.restart_backoff, "restartBackoff"),
        ] {
            if first > longest {
                let message = format!("`{name}` is longer than `{name}Max`");
                self.error(Code::InvalidValue, &format!("control.{name}"), message);
            }
        }
    }
}
