//! Watches: changes of the store on their way to the caches, each watcher and kind in order and with a lag of its own.
//!
//! Any cache may lag behind the store and behind other caches (`spec/lws-controllers.md` 2.0), but each sees the changes
//! of one kind in the order in which they were made, as a watch of the API server delivers them.

use super::object::{Kind, Names};
use super::setup::Races;
use super::store::Change;
use crate::engine::{Distribution, Purpose, Span, Streams, Time, entity2};
use std::collections::VecDeque;

/// Who watches.
pub(super) use super::setup::Actor as Watcher;

impl Watcher {
    /// All, in the order of their streams.
    pub const ALL: [Self; 5] =
        [Self::Lws, Self::StatefulSets, Self::GarbageCollector, Self::Scheduler, Self::Kubelets];

    fn watches(self, kind: Kind) -> bool {
        match self {
            Self::Lws => kind != Kind::PersistentVolumeClaim,
            Self::StatefulSets => {
                !matches!(kind, Kind::LeaderWorkerSet | Kind::Service | Kind::Node)
            }
            Self::GarbageCollector => kind != Kind::Node,
            Self::Scheduler => matches!(kind, Kind::Pod | Kind::Node | Kind::Service),
            Self::Kubelets => kind == Kind::Pod,
        }
    }
}

const DELAY: Purpose = Purpose::named("watch-delay");

/// Index of a stream: one watcher's watch of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamId(u8);

impl StreamId {
    /// Returns the number of the stream.
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// All streams.
#[derive(Debug)]
pub(super) struct Watches {
    streams: Vec<VecDeque<(Time, Change)>>,
    last: Vec<Time>,
    /// Delay of each watcher.
    delays: [Distribution; Watcher::ALL.len()],
}

/// Returns the delay of each watcher.
fn delays(delay: &Distribution, races: &Races) -> [Distribution; Watcher::ALL.len()] {
    Watcher::ALL.map(|watcher| {
        let own = races.cache_lag.iter().find(|(actor, _)| *actor == watcher);
        own.map_or(delay, |(_, own)| own).clone()
    })
}

impl Watches {
    /// Returns empty streams with these delays in seconds.
    pub(super) fn new(delay: &Distribution, races: &Races) -> Self {
        let count = Watcher::ALL.len() * Kind::ALL.len();
        let delays = delays(delay, races);
        Self { streams: vec![VecDeque::new(); count], last: vec![Time::ZERO; count], delays }
    }

    /// Takes other delays for what is sent from now on.
    pub(super) fn repace(&mut self, delay: &Distribution, races: &Races) {
        self.delays = delays(delay, races);
    }

    /// Sends a change on its way to everybody who watches its kind. Calls `arm` for each stream whose next delivery
    /// must be scheduled.
    pub(super) fn send(
        &mut self,
        now: Time,
        change: &Change,
        names: &mut Names,
        streams: Streams,
        mut arm: impl FnMut(Time, StreamId),
    ) {
        let kind = change.any().kind();
        let name = change.any().meta().name;
        let count = u64::from(names.count_change(name));
        let entity = entity2(names.hash(name), count);
        for (position, _) in
            Watcher::ALL.into_iter().enumerate().filter(|(_, watcher)| watcher.watches(kind))
        {
            let index = position * Kind::ALL.len() + kind as usize;
            let delay = match self.delays[position] {
                Distribution::Constant(seconds) => Span::from_secs_f64(seconds),
                ref delay => {
                    delay.sample_span(&mut streams.stream(DELAY, entity2(entity, index as u64)))
                }
            };
            let at = (now + delay).max(self.last[index]);
            self.last[index] = at;
            if self.streams[index].is_empty() {
                arm(at, StreamId(u8::try_from(index).expect("few streams")));
            }
            self.streams[index].push_back((at, change.clone()));
        }
    }

    /// Takes the next change of a stream that has arrived by `now`.
    pub(super) fn take(&mut self, stream: StreamId, now: Time) -> Option<(Watcher, Change)> {
        let index = usize::from(stream.0);
        if self.streams[index].front().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        let (_, change) = self.streams[index].pop_front().expect("looked at above");
        Some((Watcher::ALL[index / Kind::ALL.len()], change))
    }

    /// Forgets what is under way to a watcher, which has listed everything anew.
    pub(super) fn forget(&mut self, watcher: Watcher) {
        for kind in Kind::ALL {
            self.streams[watcher as usize * Kind::ALL.len() + kind as usize].clear();
        }
    }

    /// Returns what is under way, with the number of its stream, in order.
    pub(super) fn pending(&self) -> impl Iterator<Item = (usize, &Change)> {
        let streams = self.streams.iter().enumerate();
        streams.flat_map(|(index, stream)| stream.iter().map(move |(_, change)| (index, change)))
    }

    /// Returns the change that a stream delivers next.
    pub(super) fn first(&self, stream: StreamId) -> Option<&Change> {
        self.streams[usize::from(stream.0)].front().map(|(_, change)| change)
    }

    /// Returns who watches a stream.
    pub(super) fn watcher(stream: StreamId) -> Watcher {
        Watcher::ALL[usize::from(stream.0) / Kind::ALL.len()]
    }

    /// Returns when the next change of a stream arrives.
    pub(super) fn next(&self, stream: StreamId) -> Option<Time> {
        self.streams[usize::from(stream.0)].front().map(|(at, _)| *at)
    }
}
