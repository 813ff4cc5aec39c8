"""The hold model on SimPy: `hold.py PENDING EVENTS REPEATS` prints the best ns an event; exit 3 without SimPy."""

import random
import sys
import time

try:
    import simpy
except ImportError:
    sys.exit(3)

pending, events, repeats = (int(argument) for argument in sys.argv[1:])
source = random.Random(1)
gaps = [source.expovariate(1.0) for _ in range(1 << 16)]
handled = 0


def holder(env):
    """One process for each pending event, as a SimPy model would have it."""
    global handled
    while True:
        yield env.timeout(gaps[handled & 0xFFFF])
        handled += 1


env = simpy.Environment()
for _ in range(pending):
    env.process(holder(env))
env.run(until=0.1)
best = float("inf")
for _ in range(repeats):
    before, start = handled, time.perf_counter()
    env.run(until=env.now + events / pending)
    best = min(best, (time.perf_counter() - start) * 1e9 / (handled - before))
print(best)
