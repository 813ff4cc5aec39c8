//! The hold model in the words of each engine.

use crate::{Engine, Gaps};
use lwsim::engine::{Queue, Span, Time};
use nexosim::model::{Context, Model, schedulable};
use nexosim::simulation::{Mailbox, SimInit, Simulation};
use nexosim::time::MonotonicTime;
use serde::{Deserialize, Serialize};
use simcore::{Event, EventHandler, SimulationContext, cast};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// lwsim's queue, driven directly.
pub struct Lwsim<'a> {
    gaps: &'a Gaps,
    queue: Queue<usize>,
    next: usize,
}

impl<'a> Lwsim<'a> {
    /// Fills the queue.
    pub fn new(gaps: &'a Gaps, pending: usize) -> Self {
        let mut queue = Queue::new();
        for index in 0..pending {
            queue.at(Time(gaps.ns(index)), index);
        }
        Self { gaps, queue, next: pending }
    }
}

impl Engine for Lwsim<'_> {
    fn run(&mut self, events: usize) -> usize {
        for _ in 0..events {
            let event = self.queue.advance(Time::MAX).expect("the queue is never empty");
            std::hint::black_box(event);
            self.queue.after(Span(self.gaps.ns(self.next)), self.next);
            self.next += 1;
        }
        events
    }
}

/// SimCore: one component that sends itself events.
pub struct SimCore(simcore::Simulation);

#[derive(Clone, Serialize)]
struct Tick {
    index: usize,
}

struct Ticker {
    context: SimulationContext,
    gaps_s: Vec<f64>,
    next: Rc<Cell<usize>>,
}

impl EventHandler for Ticker {
    fn on(&mut self, event: Event) {
        cast!(match event.data {
            Tick { index } => {
                std::hint::black_box(index);
                let index = self.next.get();
                self.next.set(index + 1);
                self.context
                    .emit_self(Tick { index }, self.gaps_s[index & (self.gaps_s.len() - 1)]);
            }
        })
    }
}

impl SimCore {
    /// Fills the queue.
    pub fn new(gaps: &Gaps, pending: usize) -> Self {
        let mut simulation = simcore::Simulation::new(1);
        let context = simulation.create_context("ticker");
        let gaps_s: Vec<f64> = (0..1 << 16).map(|index| gaps.ns(index) as f64 / 1e9).collect();
        for index in 0..pending {
            context.emit_self(Tick { index }, gaps_s[index & (gaps_s.len() - 1)]);
        }
        let next = Rc::new(Cell::new(pending));
        simulation.add_handler("ticker", Rc::new(RefCell::new(Ticker { context, gaps_s, next })));
        Self(simulation)
    }
}

impl Engine for SimCore {
    fn run(&mut self, events: usize) -> usize {
        self.0.steps(events as u64);
        events
    }
}

/// NeXosim on one thread: one model that schedules its own input.
pub struct NeXosim {
    simulation: Simulation,
    pending: usize,
    handled: Arc<AtomicUsize>,
}

#[derive(Serialize, Deserialize)]
struct Holder {
    gaps: Vec<u64>,
    pending: usize,
    next: usize,
    #[serde(skip)]
    handled: Arc<AtomicUsize>,
}

#[Model]
impl Holder {
    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>) {
        for index in 0..self.pending {
            self.schedule(index, context);
        }
    }

    #[nexosim(schedulable)]
    async fn tick(&mut self, index: usize, context: &Context<Self>) {
        std::hint::black_box(index);
        self.handled.fetch_add(1, Ordering::Relaxed);
        self.schedule(self.next, context);
        self.next += 1;
    }

    fn schedule(&self, index: usize, context: &Context<Self>) {
        let gap = Duration::from_nanos(self.gaps[index & (self.gaps.len() - 1)]);
        context.schedule_event(gap, schedulable!(Self::tick), index).expect("the gap is above 0");
    }
}

impl NeXosim {
    /// Fills the queue.
    pub fn new(gaps: &Gaps, pending: usize) -> Self {
        let handled = Arc::new(AtomicUsize::new(0));
        let gaps = (0..1 << 16).map(|index| gaps.ns(index)).collect();
        let holder = Holder { gaps, pending, next: pending, handled: Arc::clone(&handled) };
        let bench = SimInit::with_num_threads(1).add_model(holder, Mailbox::new(), "holder");
        let simulation = bench.init(MonotonicTime::EPOCH).expect("the bench is complete");
        Self { simulation, pending, handled }
    }
}

impl Engine for NeXosim {
    fn run(&mut self, events: usize) -> usize {
        // Each pending event fires once a second on average.
        let before = self.handled.load(Ordering::Relaxed);
        let span = Duration::from_secs_f64(events as f64 / self.pending as f64);
        self.simulation.step_until(span).expect("the model runs");
        self.handled.load(Ordering::Relaxed) - before
    }
}
