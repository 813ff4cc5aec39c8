//! The event queue: pending events by (time, order of scheduling), with cancellation.
//!
//! Holds what is to happen, not what happening means: that is the `Model`'s business. Implements the rule that events
//! at one instant run in the order in which they were scheduled.
//!
//! A [`Queue`] is a four-ary heap of 16-byte keys over a slab of events. A cancelled event leaves the slab at once; its key
//! stays in the heap until it surfaces or until dead keys outnumber the others, when the heap is rebuilt. So
//! cancelling costs O(1) and the heap is never more than about twice as large as what is pending.

use super::time::{Span, Time};

/// Largest number of events that may be pending at once.
pub const PENDING_MAX: usize = 1 << SLOT_BITS;

/// Largest number of events that may be scheduled in the life of a queue.
pub const SCHEDULED_MAX: u64 = 1 << SEQUENCE_BITS;

/// Dead keys that are tolerated however few events are pending, so that small queues are not rebuilt all the time.
const DEAD_KEYS_FREE: usize = 64;

/// Children of a heap node: four 16-byte keys are one cache line.
const ARITY: usize = 4;

const SLOT_BITS: u32 = 24;
const SEQUENCE_BITS: u32 = 64 - SLOT_BITS;

/// Marks a slot that holds no event; no event has this sequence number.
const VACANT: u64 = u64::MAX;

/// Names a scheduled event, to cancel it. Outlives the event harmlessly: a ticket is never issued twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(Order);

/// Pending events, the current instant, and counts.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    now: Time,
    heap: Vec<Key>,
    slots: Vec<Slot<E>>,
    free: Vec<u32>,
    /// Sequence number of the next event.
    sequence: u64,
    /// Pending events.
    len: usize,
    /// Pending events that are not retries.
    live: usize,
    handled: u64,
}

/// Time in the high half, then [`Order`]: one comparison orders two keys.
type Key = u128;

/// Sequence number in the high bits, slot in the low ones.
type Order = u64;

#[derive(Clone, Debug)]
struct Slot<E> {
    /// Sequence number of the event that it holds, or [`VACANT`].
    sequence: u64,
    is_retry: bool,
    event: Option<E>,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Queue<E> {
    /// Returns an empty queue at the start of time.
    pub fn new() -> Self {
        Self {
            now: Time::ZERO,
            heap: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            sequence: 0,
            len: 0,
            live: 0,
            handled: 0,
        }
    }

    /// Returns the instant of the event that was popped last.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Schedules `event` at `time`, which must not have passed.
    pub fn at(&mut self, time: Time, event: E) -> Ticket {
        self.insert(time, event, false)
    }

    /// Schedules `event` after `span`, behind all that is already scheduled for that instant.
    pub fn after(&mut self, span: Span, event: E) -> Ticket {
        self.insert(self.now + span, event, false)
    }

    /// Schedules an event that cannot change anything unless something else changes first: a retry that is known to be
    /// futile, a periodic tick. It runs like any other but does not count as [`live`](Self::live).
    pub fn retry_at(&mut self, time: Time, event: E) -> Ticket {
        self.insert(time, event, true)
    }

    /// Takes a pending event back; `None` if it was popped or cancelled before.
    pub fn cancel(&mut self, ticket: Ticket) -> Option<E> {
        let event = self.take(ticket.0)?;
        let dead = self.heap.len() - self.len;
        if dead > self.len + DEAD_KEYS_FREE {
            self.sweep();
        }
        Some(event)
    }

    /// Returns whether the event of `ticket` is pending.
    pub fn is_pending(&self, ticket: Ticket) -> bool {
        self.is_alive(ticket.0)
    }

    /// Returns the number of pending events, retries included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether no event is pending.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of pending events that are not retries.
    pub fn live(&self) -> usize {
        self.live
    }

    /// Returns the number of events popped so far.
    pub fn handled(&self) -> u64 {
        self.handled
    }

    /// Returns the instant of the earliest pending event.
    pub fn next_at(&mut self) -> Option<Time> {
        self.drop_dead_top();
        self.heap.first().map(|&key| time_of(key))
    }

    /// Pops the earliest event and moves the clock to it; `None`, with the clock unmoved, if nothing is pending up to and
    /// including `horizon`.
    pub fn advance(&mut self, horizon: Time) -> Option<E> {
        loop {
            let key = *self.heap.first()?;
            if !self.is_alive(order_of(key)) {
                self.remove_top();
                continue;
            }
            let time = time_of(key);
            if time > horizon {
                return None;
            }
            self.remove_top();
            self.now = self.now.max(time);
            self.handled += 1;
            return self.take(order_of(key));
        }
    }

    /// Returns the events that are pending from the earliest instant up to `within` after it, in order; none where that
    /// instant lies past `horizon`.
    pub fn due(&mut self, within: Span, horizon: Time) -> Vec<Ticket> {
        let Some(first) = self.next_at().filter(|first| *first <= horizon) else {
            return Vec::new();
        };
        let last = (first + within).min(horizon);
        let mut keys = Vec::new();
        while let Some(&key) = self.heap.first().filter(|key| time_of(**key) <= last) {
            self.remove_top();
            if self.is_alive(order_of(key)) {
                keys.push(key);
            }
        }
        for key in &keys {
            self.heap.push(*key);
            self.sift_up(self.heap.len() - 1);
        }
        keys.into_iter().map(|key| Ticket(order_of(key))).collect()
    }

    /// Returns a pending event without taking it.
    pub fn peek(&self, ticket: Ticket) -> Option<&E> {
        let slot = self.slots.get(slot_of(ticket.0))?;
        slot.event.as_ref().filter(|_| slot.sequence == ticket.0 >> SLOT_BITS)
    }

    /// Pops a pending event before all others and moves the clock to `at`, its instant; the events that were due before it
    /// are late then, and pop at the clock's instant.
    pub fn pop(&mut self, ticket: Ticket, at: Time) -> Option<E> {
        let event = self.take(ticket.0)?;
        self.now = self.now.max(at);
        self.handled += 1;
        Some(event)
    }

    /// Lets time pass to `time`, before which nothing may be pending; times that have passed are ignored.
    pub fn pass_to(&mut self, time: Time) {
        let next = self.next_at();
        assert!(
            next.is_none_or(|next| next >= time),
            "an event is pending at {next:?}, before {time}"
        );
        self.now = self.now.max(time);
    }

    fn insert(&mut self, time: Time, event: E, is_retry: bool) -> Ticket {
        assert!(
            time >= self.now,
            "an event was scheduled in the past: at {time}, but it is {}",
            self.now
        );
        assert!(self.sequence < SCHEDULED_MAX, "more than {SCHEDULED_MAX} events were scheduled");
        let content = Slot { sequence: self.sequence, is_retry, event: Some(event) };
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = content;
            slot
        } else {
            assert!(self.slots.len() < PENDING_MAX, "more than {PENDING_MAX} events are pending");
            self.slots.push(content);
            u32::try_from(self.slots.len() - 1).expect("PENDING_MAX fits 32 bits")
        };
        let order = (self.sequence << SLOT_BITS) | u64::from(slot);
        self.sequence += 1;
        self.len += 1;
        self.live += usize::from(!is_retry);
        self.heap.push((Key::from(time.0) << 64) | Key::from(order));
        self.sift_up(self.heap.len() - 1);
        Ticket(order)
    }

    fn is_alive(&self, order: Order) -> bool {
        self.slots.get(slot_of(order)).is_some_and(|slot| slot.sequence == order >> SLOT_BITS)
    }

    /// Takes an event out of the slab; its key stays in the heap.
    fn take(&mut self, order: Order) -> Option<E> {
        let index = slot_of(order);
        let slot = self.slots.get_mut(index).filter(|slot| slot.sequence == order >> SLOT_BITS)?;
        slot.sequence = VACANT;
        self.len -= 1;
        self.live -= usize::from(!slot.is_retry);
        self.free.push(u32::try_from(index).expect("PENDING_MAX fits 32 bits"));
        slot.event.take()
    }

    fn drop_dead_top(&mut self) {
        while let Some(&key) = self.heap.first()
            && !self.is_alive(order_of(key))
        {
            self.remove_top();
        }
    }

    /// Rebuilds the heap from the keys of pending events.
    fn sweep(&mut self) {
        let slots = &self.slots;
        self.heap.retain(|&key| {
            let order = order_of(key);
            slots[slot_of(order)].sequence == order >> SLOT_BITS
        });
        if self.heap.len() > 1 {
            for index in (0..=(self.heap.len() - 2) / ARITY).rev() {
                self.sift_down(index);
            }
        }
    }

    fn remove_top(&mut self) {
        let last = self.heap.pop().expect("the caller saw a top");
        if self.heap.is_empty() {
            return;
        }
        // The last key belongs near the bottom: moving the hole down first and the key up from there saves comparing it at
        // every level.
        let hole = self.sink_hole();
        self.heap[hole] = last;
        self.sift_up(hole);
    }

    /// Moves a hole at the top to a leaf, along the smallest children; returns where it ends.
    fn sink_hole(&mut self) -> usize {
        let heap = &mut self.heap[..];
        let mut hole = 0;
        loop {
            let first = hole * ARITY + 1;
            if let Some(&[a, b, c, d]) = heap.get(first..first + ARITY) {
                let (low, low_key) = if b < a { (1, b) } else { (0, a) };
                let (high, high_key) = if d < c { (3, d) } else { (2, c) };
                let (child, key) =
                    if high_key < low_key { (high, high_key) } else { (low, low_key) };
                heap[hole] = key;
                hole = first + child;
            } else {
                let Some(child) = (first..heap.len()).min_by_key(|&child| heap[child]) else {
                    return hole;
                };
                heap[hole] = heap[child];
                hole = child;
            }
        }
    }

    fn sift_up(&mut self, mut index: usize) {
        let heap = &mut self.heap[..];
        let key = heap[index];
        while index > 0 {
            let parent = (index - 1) / ARITY;
            if heap[parent] <= key {
                break;
            }
            heap[index] = heap[parent];
            index = parent;
        }
        heap[index] = key;
    }

    fn sift_down(&mut self, mut index: usize) {
        let heap = &mut self.heap[..];
        let key = heap[index];
        loop {
            let first = index * ARITY + 1;
            let end = heap.len().min(first + ARITY);
            let Some(child) = (first..end).min_by_key(|&child| heap[child]) else { break };
            if heap[child] >= key {
                break;
            }
            heap[index] = heap[child];
            index = child;
        }
        heap[index] = key;
    }
}

fn time_of(key: Key) -> Time {
    Time((key >> 64) as u64)
}

#[expect(clippy::cast_possible_truncation, reason = "takes the low half of the key")]
fn order_of(key: Key) -> Order {
    key as u64
}

fn slot_of(order: Order) -> usize {
    usize::try_from(order & ((1 << SLOT_BITS) - 1)).expect("a slot fits 24 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_event_may_pop_before_those_that_are_due_with_it() {
        let mut queue = Queue::new();
        let gone = queue.at(Time(1), "gone");
        for (time, event) in [(3, "d"), (1, "a"), (1, "b"), (2, "c")] {
            queue.at(Time(time), event);
        }
        queue.cancel(gone);
        let shown = |queue: &Queue<&'static str>, due: &[Ticket]| -> Vec<&'static str> {
            due.iter().map(|ticket| *queue.peek(*ticket).unwrap()).collect()
        };
        let due = queue.due(Span(0), Time::MAX);
        assert_eq!(shown(&queue, &due), ["a", "b"]);
        assert_eq!(queue.due(Span(5), Time(0)), []);
        let due = queue.due(Span(1), Time::MAX);
        assert_eq!(shown(&queue, &due), ["a", "b", "c"]);
        assert_eq!(queue.pop(due[2], Time(2)), Some("c"));
        assert_eq!(queue.pop(due[2], Time(2)), None);
        let rest: Vec<_> =
            std::iter::from_fn(|| queue.advance(Time::MAX).map(|event| (event, queue.now().0)))
                .collect();
        assert_eq!(rest, [("a", 2), ("b", 2), ("d", 3)], "late events do not turn the clock back");
        assert_eq!(queue.handled(), 4);
    }

    /// Schedules letters at digits: `"a3 b1"`; `~` before a letter makes a retry. Returns the order in which they pop.
    fn check(drawing: &str, expected: &str) {
        let mut queue = Queue::new();
        for word in drawing.split_whitespace() {
            let (is_retry, word) =
                word.strip_prefix('~').map_or((false, word), |rest| (true, rest));
            let (letter, time) = word.split_at(1);
            let time = Time(time.parse().unwrap());
            if is_retry {
                queue.retry_at(time, letter)
            } else {
                queue.at(time, letter)
            };
        }
        let mut popped = String::new();
        while let Some(letter) = queue.advance(Time::MAX) {
            popped.push_str(letter);
        }
        assert_eq!(popped, expected, "{drawing}");
        assert_eq!((queue.len(), queue.live()), (0, 0), "{drawing}");
    }

    #[test]
    fn events_run_by_time_and_then_in_the_order_in_which_they_were_scheduled() {
        check("", "");
        check("a3 b1 c2", "bca");
        check("a1 b1 c1 d1 e1 f1", "abcdef");
        check("a1 b0 c1 d0 e1 f0", "bdface");
        check("a2 ~b2 c2 ~d1", "dabc");
    }

    #[test]
    fn the_horizon_itself_is_still_handled() {
        let mut queue = Queue::new();
        queue.at(Time(5), "at");
        queue.at(Time(6), "past");
        assert_eq!(queue.advance(Time(4)), None);
        assert_eq!(queue.now(), Time::ZERO);
        assert_eq!(queue.advance(Time(5)), Some("at"));
        assert_eq!(queue.advance(Time(5)), None);
        assert_eq!((queue.now(), queue.len(), queue.handled()), (Time(5), 1, 1));
    }

    #[test]
    fn a_ticket_outlives_its_event_harmlessly() {
        let mut queue = Queue::new();
        let first = queue.at(Time(1), "first");
        assert_eq!(queue.cancel(first), Some("first"));
        let second = queue.at(Time(1), "second"); // Takes the same slot.
        assert_eq!(queue.cancel(first), None);
        assert!(queue.is_pending(second) && !queue.is_pending(first));
        assert_eq!(queue.advance(Time::MAX), Some("second"));
        assert_eq!(queue.cancel(second), None);
    }

    #[test]
    fn cancelled_events_do_not_pile_up() {
        let mut queue = Queue::new();
        let mut ticket = queue.at(Time(1_000_000), 0);
        for round in 1..100_000 {
            queue.cancel(ticket).expect("it is pending");
            ticket = queue.at(Time(1_000_000 + round), round);
        }
        assert_eq!(queue.len(), 1);
        assert!(queue.heap.len() <= 2 + 2 * DEAD_KEYS_FREE, "{}", queue.heap.len());
        assert!(queue.slots.len() <= 2, "{}", queue.slots.len());
    }

    #[test]
    fn retries_do_not_count_as_live() {
        let mut queue = Queue::new();
        let retry = queue.retry_at(Time(1), 'r');
        assert_eq!((queue.len(), queue.live()), (1, 0));
        queue.at(Time(2), 'l');
        assert_eq!((queue.len(), queue.live()), (2, 1));
        assert_eq!(queue.cancel(retry), Some('r'));
        assert_eq!((queue.len(), queue.live()), (1, 1));
    }

    #[test]
    fn scheduling_in_the_past_is_refused() {
        let mut queue = Queue::new();
        queue.at(Time(10), ());
        queue.advance(Time::MAX);
        let refused =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| queue.at(Time(9), ())));
        assert!(refused.is_err());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Schedule { after: u64, is_retry: bool },
        Cancel { which: usize },
        Advance { by: u64 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0u64..20, any::<bool>()).prop_map(|(after, is_retry)| Step::Schedule { after, is_retry }),
            3 => any::<usize>().prop_map(|which| Step::Cancel { which }),
            3 => (0u64..8).prop_map(|by| Step::Advance { by }),
        ];
        prop::collection::vec(step, 0..600)
    }

    proptest! {
        #[test]
        fn the_queue_behaves_like_a_sorted_map(steps in steps()) {
            let mut queue = Queue::new();
            let mut naive: BTreeMap<(Time, usize), bool> = BTreeMap::new();
            let mut tickets = Vec::new();
            for step in steps {
                match step {
                    Step::Schedule { after, is_retry } => {
                        let time = queue.now() + Span(after);
                        let id = tickets.len();
                        let ticket = if is_retry { queue.retry_at(time, id) } else { queue.after(Span(after), id) };
                        tickets.push((ticket, time));
                        naive.insert((time, id), is_retry);
                    }
                    Step::Cancel { which } if !tickets.is_empty() => {
                        let id = which % tickets.len();
                        let (ticket, time) = tickets[id];
                        let expected = naive.remove(&(time, id)).map(|_| id);
                        prop_assert_eq!(queue.cancel(ticket), expected);
                    }
                    Step::Cancel { .. } => {}
                    Step::Advance { by } => {
                        let horizon = queue.now() + Span(by);
                        let first = naive.first_key_value().map(|(&key, _)| key).filter(|key| key.0 <= horizon);
                        prop_assert_eq!(queue.advance(horizon), first.map(|key| key.1));
                        if let Some(key) = first {
                            naive.remove(&key);
                            prop_assert_eq!(queue.now(), key.0);
                        }
                    }
                }
                prop_assert_eq!(queue.len(), naive.len());
                prop_assert_eq!(queue.live(), naive.values().filter(|&&is_retry| !is_retry).count());
                prop_assert_eq!(queue.next_at(), naive.first_key_value().map(|(key, _)| key.0));
                prop_assert!(queue.heap.len() <= 2 * queue.len() + DEAD_KEYS_FREE + 1);
            }
        }
    }
}
