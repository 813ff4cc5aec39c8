//! Pods that start, crash, wait for their group and end, on nodes that go up and down.

use super::*;
use crate::backend::sim::setup::{Members, Stage, StageCache, StageKind};
use crate::engine::{Distribution, Queue, Ticket};
use proptest::prelude::*;
use std::collections::BTreeMap;

const MS: u64 = 1_000_000;
const GB: u64 = 1_000_000_000;

/// Kubelets with a clock.
struct Cluster {
    kubelets: Kubelets,
    queue: Queue<KubeletEvent>,
    tickets: BTreeMap<KubeletEvent, Ticket>,
    log: Vec<(Time, Output)>,
    /// Profile of the pods that are bound next.
    profile: Arc<Profile>,
    probe: Option<Probe>,
    image: Arc<str>,
}

impl Cluster {
    /// Returns a cluster in which everything that a scenario does not state takes no time or a fixed time.
    fn new(nodes: u32, stages: Vec<Stage>) -> Self {
        let params = Params {
            sandbox: Distribution::Constant(1.0),
            kubelet: super::super::setup::KubeletParams {
                cleanup: Distribution::Constant(1.5),
                ..Default::default()
            },
            ..Params::default()
        };
        Self::with(nodes, stages, &params)
    }

    fn with(nodes: u32, stages: Vec<Stage>, params: &Params) -> Self {
        let mut kubelets = Kubelets::new(params, Streams::new(5));
        for node in 0..nodes {
            kubelets.add_node(NodeId(node));
        }
        let stop = Distribution::Constant(20.0);
        Self {
            kubelets,
            queue: Queue::new(),
            tickets: BTreeMap::new(),
            log: Vec::new(),
            profile: Arc::new(Profile { name: "test".into(), stages, stop, peer_loss: None }),
            probe: None,
            image: "image".into(),
        }
    }

    fn probed(mut self, period: u64) -> Self {
        self.probe = Some(Probe { initial_delay: Span::ZERO, period: Span::from_secs(period) });
        self
    }

    fn peer_loss(mut self, seconds: f64) -> Self {
        Arc::make_mut(&mut self.profile).peer_loss = Some(Distribution::Constant(seconds));
        self
    }

    fn tell(&mut self, input: impl FnOnce(&mut Kubelets, Time, &mut Vec<Output>)) {
        let mut out = Vec::new();
        input(&mut self.kubelets, self.queue.now(), &mut out);
        for output in out {
            match output {
                Output::At(at, event) => {
                    let old = self.tickets.insert(event, self.queue.at(at, event));
                    assert_eq!(old, None, "{event:?} is set twice");
                }
                Output::Cancel(event) => {
                    let ticket =
                        self.tickets.remove(&event).expect("only what was set is cancelled");
                    self.queue.cancel(ticket).expect("it is pending");
                }
                _ => self.log.push((self.queue.now(), output)),
            }
        }
    }

    /// Binds a pod of group 0, whose leader is pod 0.
    fn bind(&mut self, pod: u64, node: u32, group_size: u32) {
        let is_leader = pod == 0;
        // A pod for itself is the leader of its own group.
        let (group, is_leader) = if group_size == 1 { (1000 + pod, true) } else { (0, is_leader) };
        let start = PodStart {
            node: NodeId(node),
            profile: Arc::clone(&self.profile),
            group,
            group_size,
            is_leader,
            image: Arc::clone(&self.image),
            probe: self.probe.filter(|_| is_leader),
            entity: pod,
        };
        self.tell(|kubelets, now, out| kubelets.bind(now, PodId(pod), &start, out));
    }

    fn delete(&mut self, pod: u64, grace: u64) {
        self.tell(|kubelets, now, out| {
            kubelets.delete(now, PodId(pod), Span::from_secs(grace), out);
        });
    }

    fn kill(&mut self, pod: u64) {
        self.tell(|kubelets, now, out| kubelets.kill_container(now, PodId(pod), out));
    }

    fn node_down(&mut self, node: u32) {
        self.tell(|kubelets, now, out| kubelets.node_down(now, NodeId(node), out));
    }

    fn node_up(&mut self, node: u32) {
        self.tell(|kubelets, now, out| kubelets.node_up(now, NodeId(node), out));
    }

    fn waits_for(&self, pod: u64) -> Option<String> {
        self.kubelets.waiting(PodId(pod)).map(|waiting| waiting.to_string())
    }

    /// Plays until this many seconds after the start.
    fn play(&mut self, seconds: u64) {
        let until = Time::ZERO + Span::from_secs(seconds);
        // An event that is nobody's moves the queue's clock to the end.
        self.queue.at(until, KubeletEvent::Transfer(u32::MAX));
        while let Some(event) = self.queue.advance(until) {
            self.tickets.remove(&event);
            self.tell(|kubelets, now, out| kubelets.handle(now, event, out));
        }
    }

    /// Plays until nothing happens any more.
    fn finish(&mut self) {
        while let Some(event) = self.queue.advance(Time::MAX) {
            self.tickets.remove(&event);
            self.tell(|kubelets, now, out| kubelets.handle(now, event, out));
        }
    }

    /// Returns the log of a pod in seconds and words, without stages where `is_brief`.
    fn story(&self, pod: u64, is_brief: bool) -> String {
        let mut words = Vec::new();
        for (at, output) in &self.log {
            let (id, word) = match output {
                Output::Stage { pod, stage } => {
                    (pod, (!is_brief).then(|| self.profile.stages[*stage].name.to_string()))
                }
                Output::PhaseRunning { pod } => (pod, Some("running".to_owned())),
                Output::Ready { pod } => (pod, Some("ready".to_owned())),
                Output::Unready { pod } => (pod, Some("unready".to_owned())),
                Output::ContainerRestarted { pod } => (pod, Some("restarted".to_owned())),
                Output::Failed { pod } => (pod, Some("failed".to_owned())),
                Output::Terminated { pod } => (pod, Some("terminated".to_owned())),
                Output::At(..) | Output::Cancel(_) => unreachable!("the queue has them"),
            };
            if let (true, Some(word)) = (*id == PodId(pod), word) {
                words.push(format!("{} {word}", at.0 / MS));
            }
        }
        words.join(", ")
    }

    /// Returns when a pod became ready for the first time, in milliseconds.
    fn ready_ms(&self, pod: u64) -> u64 {
        let is_it = |output: &Output| *output == Output::Ready { pod: PodId(pod) };
        self.log.iter().find(|(_, output)| is_it(output)).expect("it is ready").0.0 / MS
    }
}

fn stage(name: &str, seconds: f64) -> Stage {
    Stage {
        name: name.into(),
        after: Vec::new(),
        kind: StageKind::Load,
        by: Members::All,
        waits_for_group: false,
        group_timeout: None,
        work: Work::Delay(Distribution::Constant(seconds)),
        cache: None,
    }
}

fn transfer(bytes: u64, from: Source, rate: u64) -> Work {
    Work::Transfer { bytes, from, rate: Distribution::Constant(rate as f64) }
}

/// Ten seconds for an image that is not on the node, one for one that is.
fn pull() -> Stage {
    let hit = Work::Delay(Distribution::Constant(1.0));
    Stage {
        kind: StageKind::Pull,
        cache: Some(StageCache { key: None, hit, is_volatile: false }),
        ..stage("pull", 10.0)
    }
}

/// A hundred seconds from disk, ten from the page cache.
fn weights() -> Stage {
    let hit = Work::Delay(Distribution::Constant(10.0));
    Stage {
        cache: Some(StageCache { key: Some("weights".into()), hit, is_volatile: true }),
        ..stage("weights", 100.0)
    }
}

fn meet(after: &[usize]) -> Stage {
    Stage { waits_for_group: true, after: after.to_vec(), ..stage("meet", 5.0) }
}

fn after(before: usize, stage: Stage) -> Stage {
    Stage { after: vec![before], ..stage }
}

#[test]
fn a_pod_with_a_probe_is_ready_at_the_first_probe_after_its_stages() {
    let mut cluster =
        Cluster::new(1, vec![pull(), stage("load", 7.0), after(1, stage("warm", 3.0))]).probed(10);
    cluster.bind(0, 0, 1);
    cluster.finish();
    assert_eq!(
        cluster.story(0, false),
        "1000 pull, 11000 running, 11000 load, 18000 warm, 30000 ready"
    );
}

#[test]
fn a_pod_without_a_probe_is_ready_when_its_container_starts() {
    let mut cluster = Cluster::new(1, vec![pull(), stage("load", 7.0)]);
    cluster.bind(0, 0, 1);
    cluster.finish();
    assert_eq!(cluster.story(0, false), "1000 pull, 11000 running, 11000 ready, 11000 load");
}

#[test]
fn the_initial_delay_counts_from_the_start_of_the_container() {
    let mut cluster = Cluster::new(1, vec![pull(), stage("load", 1.0)]).probed(4);
    cluster.probe.as_mut().unwrap().initial_delay = Span::from_secs(15);
    cluster.bind(0, 0, 1);
    cluster.finish();
    assert_eq!(cluster.ready_ms(0), 28_000, "the first multiple of 4 not before 11 + 15");
}

#[test]
fn independent_stages_run_at_once() {
    let mut cluster = Cluster::new(
        1,
        vec![stage("a", 5.0), stage("b", 9.0), Stage { after: vec![0, 1], ..stage("c", 1.0) }],
    )
    .probed(1);
    cluster.bind(0, 0, 1);
    cluster.finish();
    assert_eq!(cluster.story(0, false), "1000 running, 1000 a, 1000 b, 10000 c, 11000 ready");
}

#[test]
fn two_pods_of_a_node_fetch_an_image_once_and_other_images_in_turn() {
    let mut cluster = Cluster::new(1, vec![pull()]);
    cluster.bind(1, 0, 1);
    cluster.bind(2, 0, 1);
    cluster.image = "other".into();
    cluster.bind(3, 0, 1);
    cluster.play(5);
    assert_eq!(cluster.kubelets.waiting(PodId(2)), Some(Waiting::Pull(PodId(1))));
    assert_eq!(cluster.kubelets.waiting(PodId(3)), Some(Waiting::Pull(PodId(1))));
    cluster.finish();
    assert_eq!([1, 2, 3].map(|pod| cluster.ready_ms(pod)), [11_000, 12_000, 21_000]);
}

#[test]
fn a_deleted_pod_hands_its_pull_to_the_next() {
    let mut cluster = Cluster::new(1, vec![pull()]);
    cluster.bind(1, 0, 1);
    cluster.bind(2, 0, 1);
    cluster.play(6);
    cluster.delete(1, 30);
    cluster.finish();
    assert_eq!(cluster.story(1, false), "1000 pull, 7500 terminated");
    assert_eq!(cluster.ready_ms(2), 16_000);
}

#[test]
fn a_start_on_a_warm_node_is_faster_and_a_reboot_loses_the_page_cache() {
    let mut cluster = Cluster::new(2, vec![pull(), weights()]).probed(1);
    cluster.bind(1, 0, 1);
    cluster.play(200);
    cluster.bind(2, 0, 1);
    cluster.play(300);
    cluster.node_down(0);
    cluster.play(310);
    cluster.node_up(0);
    cluster.bind(3, 0, 1);
    cluster.bind(4, 1, 1);
    cluster.finish();
    let durations = [(1, 0), (2, 200), (3, 310), (4, 310)]
        .map(|(pod, bound)| cluster.ready_ms(pod) - bound * 1000);
    assert_eq!(durations, [111_000, 12_000, 102_000, 111_000]);
}

#[test]
fn a_meeting_begins_with_the_slowest_member_and_ends_for_all_at_once() {
    let mut cluster =
        Cluster::new(3, vec![pull(), meet(&[0]), after(1, stage("load", 2.0))]).probed(1);
    cluster.bind(1, 1, 3);
    cluster.play(3);
    cluster.bind(0, 0, 3);
    cluster.play(50);
    assert_eq!(
        cluster.waits_for(0).as_deref(),
        Some("1 pod of its group that are on no node at `meet`")
    );
    cluster.bind(2, 2, 3);
    cluster.finish();
    assert_eq!(
        cluster.story(0, false),
        "4000 pull, 14000 running, 61000 meet, 66000 load, 68000 ready"
    );
    assert_eq!(
        cluster.story(1, false),
        "1000 pull, 11000 running, 11000 ready, 61000 meet, 66000 load"
    );
    assert_eq!(
        cluster.story(2, false),
        "51000 pull, 61000 running, 61000 ready, 61000 meet, 66000 load"
    );
}

#[test]
fn a_leader_with_a_probe_is_ready_only_when_the_workers_have_done_their_stages() {
    let slow = Stage { by: Members::Workers, ..after(0, stage("load", 50.0)) };
    let mut cluster = Cluster::new(2, vec![meet(&[]), slow]).probed(1);
    cluster.bind(0, 0, 2);
    cluster.bind(1, 1, 2);
    cluster.play(20);
    assert_eq!(cluster.waits_for(0).as_deref(), Some("1 pod of its group to do all stages"));
    cluster.finish();
    assert_eq!(cluster.story(0, true), "1000 running, 56000 ready");
}

#[test]
fn workers_alone_meet_only_when_the_leader_has_an_address() {
    let mut cluster = Cluster::new(2, vec![Stage { by: Members::Workers, ..meet(&[]) }]);
    cluster.bind(1, 1, 2);
    cluster.play(10);
    assert_eq!(cluster.kubelets.waiting(PodId(1)), None, "no probe: ready although it waits");
    cluster.bind(0, 0, 2);
    cluster.finish();
    assert_eq!(cluster.story(1, false), "1000 running, 1000 ready, 11000 meet");
}

#[test]
fn crashes_wait_longer_each_time_and_ten_minutes_forgive() {
    let mut cluster = Cluster::new(1, vec![pull(), stage("load", 1.0)]);
    cluster.bind(0, 0, 1);
    cluster.play(20);
    let mut restarts = Vec::new();
    let mut crash = 20;
    for round in 0..8 {
        let before = cluster.log.len();
        cluster.kill(0);
        cluster.play(crash + 500);
        let is_restart =
            |(_, output): &&(Time, Output)| matches!(output, Output::ContainerRestarted { .. });
        let (at, _) = cluster.log[before..].iter().find(is_restart).unwrap();
        restarts.push((at.0 / MS).saturating_sub(crash * 1000) / 1000);
        crash += 500;
        if round == 6 {
            crash += 500;
            cluster.play(crash);
        }
    }
    // The first, and the one after ten good minutes, wait for the relist only.
    assert_eq!(restarts, [0, 10, 20, 40, 80, 160, 300, 0]);
}

#[test]
fn a_crash_takes_the_stages_from_the_container_on_anew() {
    let mut cluster =
        Cluster::new(1, vec![pull(), weights(), after(1, stage("warm", 3.0))]).probed(10);
    cluster.bind(0, 0, 1);
    cluster.play(200);
    cluster.kill(0);
    assert_eq!(cluster.kubelets.waiting(PodId(0)), Some(Waiting::Restart));
    cluster.finish();
    let relist =
        cluster.log.iter().find(|(_, output)| matches!(output, Output::Unready { .. })).unwrap().0;
    assert!((200_000..=201_000).contains(&(relist.0 / MS)), "{relist}");
    let brief: Vec<String> = cluster
        .story(0, false)
        .split(", ")
        .skip(5)
        .map(|word| word.split(' ').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(brief.join(" "), "unready restarted weights warm ready");
    assert_eq!(
        cluster.story(0, true).split(", ").last(),
        Some("220000 ready"),
        "13 s after the relist, at a probe"
    );
}

#[test]
fn deletion_takes_the_stop_time_cut_by_the_grace_period_and_a_clean_up() {
    for (grace, expected) in [(30, 21_500), (5, 6_500), (0, 1_500)] {
        let mut cluster = Cluster::new(1, vec![stage("load", 1.0)]);
        cluster.bind(0, 0, 1);
        cluster.play(10);
        cluster.delete(0, grace);
        cluster.finish();
        let story = format!(
            "1000 running, 1000 ready, {} unready, {} terminated",
            8_500 + expected,
            10_000 + expected
        );
        assert_eq!(cluster.story(0, true), story, "grace {grace}");
        assert!(cluster.kubelets.pods.is_empty() && cluster.kubelets.nodes[0].pods.is_empty());
    }
}

#[test]
fn a_second_deletion_can_only_shorten_the_first() {
    for (grace, expected) in [(2, "18500 terminated"), (60, "31500 terminated")] {
        let mut cluster = Cluster::new(1, vec![stage("load", 1.0)]);
        cluster.bind(0, 0, 1);
        cluster.play(10);
        cluster.delete(0, 30);
        cluster.play(15);
        cluster.delete(0, grace);
        cluster.finish();
        assert!(cluster.story(0, true).ends_with(expected), "{}", cluster.story(0, true));
    }
}

#[test]
fn a_dead_node_confirms_nothing_and_a_returning_one_starts_anew() {
    let mut cluster = Cluster::new(1, vec![pull(), stage("load", 4.0)]).probed(5);
    cluster.bind(1, 0, 1);
    cluster.bind(2, 0, 1);
    cluster.play(30);
    cluster.node_down(0);
    cluster.play(40);
    cluster.delete(2, 30);
    cluster.bind(3, 0, 1);
    assert_eq!(cluster.kubelets.waiting(PodId(3)), Some(Waiting::Node(NodeId(0))));
    assert_eq!(cluster.queue.live(), 0, "nothing happens on a dead node");
    cluster.play(500);
    cluster.node_up(0);
    cluster.finish();
    let ready = cluster.story(1, true);
    assert!(
        ready.starts_with("11000 running, 15000 ready, 500000 unready, 502000 restarted, 5"),
        "{ready}"
    );
    assert_eq!(
        cluster.story(2, true),
        "12000 running, 20000 ready, 500000 unready, 501500 terminated"
    );
    assert!(cluster.story(3, true).starts_with("502000 running, 5"));
}

#[test]
fn pods_fail_when_their_devices_are_not_there_after_a_reboot() {
    let mut params = Params { sandbox: Distribution::Constant(1.0), ..Params::default() };
    params.kubelet.has_failing_readmission = true;
    let mut cluster = Cluster::with(1, vec![stage("load", 4.0)], &params);
    cluster.bind(1, 0, 1);
    cluster.play(10);
    cluster.bind(2, 0, 1);
    cluster.node_down(0);
    cluster.node_up(0);
    cluster.play(20);
    cluster.node_down(0);
    cluster.node_up(0);
    cluster.finish();
    assert_eq!(cluster.story(1, true), "1000 running, 1000 ready, 10000 unready, 10000 failed");
    assert_eq!(
        cluster.story(2, true),
        "11000 running, 11000 ready, 20000 unready, 20000 failed",
        "it had not started the first time"
    );
}

#[test]
fn a_lost_member_takes_the_engine_down_where_the_profile_says_so() {
    let build = || Cluster::new(2, vec![meet(&[]), after(0, stage("load", 2.0))]).probed(1);
    let play = |mut cluster: Cluster| {
        cluster.bind(0, 0, 2);
        cluster.bind(1, 1, 2);
        cluster.play(20);
        cluster.kill(1);
        cluster.play(400);
        cluster
    };
    let silent = play(build());
    assert_eq!(
        silent.story(0, true),
        "1000 running, 8000 ready",
        "Kubernetes sees nothing of a silent death"
    );
    assert!(
        silent
            .log
            .iter()
            .all(|(at, output)| !matches!(output, Output::Stage { .. }) || at.0 < 20 * GB),
        "it never meets again"
    );
    let loud = play(build().peer_loss(60.0));
    let words: Vec<String> = loud
        .story(0, true)
        .split(", ")
        .map(|word| word.split(' ').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(words.join(" "), "running ready unready restarted ready");
    assert!(
        (80_000..=100_000).contains(&loud.log.last().map(|(at, _)| at.0 / MS).unwrap()),
        "{}",
        loud.story(0, true)
    );
}

#[test]
fn a_member_that_dies_during_a_meeting_makes_the_others_gather_again() {
    let mut cluster = Cluster::new(2, vec![meet(&[])]).probed(1);
    cluster.bind(0, 0, 2);
    cluster.bind(1, 1, 2);
    cluster.play(3);
    cluster.kill(1);
    cluster.finish();
    let story = cluster.story(0, false);
    let restart: u64 = cluster
        .story(1, false)
        .split(", ")
        .find_map(|word| word.strip_suffix(" restarted")?.parse().ok())
        .unwrap();
    assert_eq!(
        story,
        format!(
            "1000 running, 1000 meet, {restart} meet, {} ready",
            (restart + 5_000).div_ceil(1000) * 1000
        )
    );
}

#[test]
fn a_group_timeout_ends_the_container_of_who_waits_too_long() {
    let stage = Stage { group_timeout: Some(Span::from_secs(30)), ..meet(&[]) };
    let mut cluster = Cluster::new(2, vec![stage]);
    cluster.bind(0, 0, 2);
    cluster.play(60);
    let restarts = cluster
        .log
        .iter()
        .filter(|(_, output)| matches!(output, Output::ContainerRestarted { .. }))
        .count();
    assert_eq!(restarts, 1);
    cluster.bind(1, 1, 2);
    cluster.play(80);
    assert!(
        cluster.log.iter().any(|(_, output)| *output == Output::Stage { pod: PodId(1), stage: 0 }),
        "they met"
    );
    cluster.finish();
    assert_eq!(
        cluster
            .log
            .iter()
            .filter(|(_, output)| matches!(output, Output::ContainerRestarted { .. }))
            .count(),
        1
    );
}

#[test]
fn transfers_share_the_registry_and_a_nic() {
    let params = Params {
        sandbox: Distribution::Constant(1.0),
        registry_bytes_per_s: 4 * GB,
        nic_bytes_per_s: GB,
        serialize_image_pulls: false,
        ..Params::default()
    };
    let fetch = Stage {
        kind: StageKind::Pull,
        work: transfer(10 * GB, Source::Registry, 100 * GB),
        ..stage("pull", 0.0)
    };
    let time = |pods: &[u32]| {
        let mut cluster = Cluster::with(8, vec![fetch.clone()], &params);
        for (pod, node) in pods.iter().enumerate() {
            cluster.bind(pod as u64, *node, 1);
        }
        cluster.finish();
        (0..pods.len() as u64).map(|pod| cluster.ready_ms(pod)).max().unwrap()
    };
    assert_eq!(time(&[0]), 11_000, "its NIC");
    assert_eq!(time(&[0, 0]), 21_000, "two on one NIC");
    assert_eq!(time(&[0, 1, 2, 3]), 11_000, "four NICs fill the registry");
    assert_eq!(time(&[0, 1, 2, 3, 4, 5, 6, 7]), 21_000, "eight share it");
}

#[test]
fn a_pod_takes_little_memory() {
    assert!(size_of::<Pod>() <= 128, "{}", size_of::<Pod>());
}

/// Starts pods with random transfers on random nodes; some are given up.
fn random_starts(seed: u64, pods: u64) -> (Cluster, Params) {
    let params = Params {
        nic_bytes_per_s: GB,
        disk_bytes_per_s: GB,
        serialize_image_pulls: false,
        ..Params::default()
    };
    let mut stream = Streams::new(seed).stream(Purpose::named("test"), 0);
    let from = [Source::Registry, Source::ObjectStore, Source::Nfs, Source::NodeDisk];
    let stages = (0..3).map(|index| {
        let work = Work::Transfer {
            bytes: 1 + stream.bits() % (20 * GB),
            from: from[stream.index(4)],
            rate: Distribution::LogNormal { median: 0.5e9, sigma: 1.0 },
        };
        Stage {
            work,
            kind: if index == 0 { StageKind::Pull } else { StageKind::Load },
            ..stage(&format!("move-{index}"), 0.0)
        }
    });
    let mut cluster = Cluster::with(3, stages.collect(), &params).probed(1);
    for pod in 1..=pods {
        let node = u32::try_from(stream.index(3)).unwrap();
        cluster.bind(pod, node, 1);
        cluster.play(cluster.queue.now().0 / GB + stream.bits() % 4);
        if stream.chance(0.2) {
            cluster.delete(1 + stream.bits() % pod, 30);
        }
    }
    (cluster, params)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_node_moves_more_bytes_than_its_nic_and_disk_can(seed in any::<u64>(), pods in 1_u64..20) {
        let (mut cluster, params) = random_starts(seed, pods);
        let begun = cluster.log.iter().map(|(at, _)| *at).min().unwrap_or_default();
        cluster.finish();
        let stages = &cluster.profile.stages;
        let bytes = |index: usize| match &stages[index].work {
            Work::Transfer { bytes, from, .. } => (*from == Source::NodeDisk, *bytes),
            Work::Delay(_) => (false, 0),
        };
        for node in 0..3 {
            let pods: Vec<PodId> = cluster.kubelets.nodes[node].pods.clone();
            let mut moved = [0_u64; 2];
            let mut end = Time::ZERO;
            for pod in pods {
                prop_assert!(cluster.kubelets.pods[&pod].is_ready, "{pod:?} waits for {:?}", cluster.kubelets.waiting(pod));
                for index in 0..3 {
                    let (is_disk, bytes) = bytes(index);
                    moved[usize::from(is_disk)] += bytes;
                }
                end = end.max(Time(cluster.ready_ms(pod.0) * MS));
            }
            let most = end.since(begun).as_secs_f64() * params.nic_bytes_per_s as f64 * 1.000_001;
            prop_assert!(moved.iter().all(|moved| *moved as f64 <= most), "{moved:?} > {most}");
        }
        prop_assert_eq!(cluster.kubelets.transfer, None);
    }

    #[test]
    fn all_pods_are_ready_or_gone_in_the_end_and_the_same_each_time(seed in any::<u64>(), pods in 1_u64..12) {
        let run = || {
            let mut cluster = chaos(seed, pods);
            cluster.finish();
            cluster
        };
        let (first, second) = (run(), run());
        prop_assert_eq!(&first.log, &second.log);
        for pod in first.kubelets.nodes.iter().flat_map(|node| &node.pods) {
            prop_assert!(first.kubelets.pods[pod].is_ready, "{:?} waits for {:?}", pod, first.kubelets.waiting(*pod));
        }
        prop_assert!(first.tickets.is_empty() && first.kubelets.meetings.is_empty());
    }
}

/// Plays a group through kills, deletions with replacement and reboots; in the end all nodes are up and the group is whole.
fn chaos(seed: u64, size: u64) -> Cluster {
    let mut stream = Streams::new(seed).stream(Purpose::named("chaos"), 0);
    let stages = vec![
        pull(),
        meet(&[]),
        after(1, weights()),
        Stage { by: Members::Leader, ..after(2, stage("serve", 4.0)) },
        meet(&[2]),
    ];
    let mut cluster = Cluster::new(4, stages).probed(3).peer_loss(30.0);
    let size32 = u32::try_from(size.max(2)).unwrap();
    let mut pods: Vec<u64> = (0..size.max(2)).collect();
    for pod in &pods {
        cluster.bind(*pod, u32::try_from(stream.index(4)).unwrap(), size32);
    }
    let mut next = 1000;
    for _ in 0..20 {
        cluster.play(cluster.queue.now().0 / GB + 1 + stream.bits() % 60);
        match stream.index(4) {
            0 => cluster.kill(pods[stream.index(pods.len())]),
            1 => cluster.node_down(u32::try_from(stream.index(4)).unwrap()),
            2 => (0..4).for_each(|node| cluster.node_up(node)),
            // A worker is deleted by force and replaced.
            _ => {
                let index = 1 + stream.index(pods.len() - 1);
                let gone = std::mem::replace(&mut pods[index], next);
                cluster.tell(|kubelets, now, out| kubelets.force_gone(now, PodId(gone), out));
                cluster.bind(next, u32::try_from(stream.index(4)).unwrap(), size32);
                next += 1;
            }
        }
    }
    (0..4).for_each(|node| cluster.node_up(node));
    cluster.play(cluster.queue.now().0 / GB + 2000);
    cluster
}
