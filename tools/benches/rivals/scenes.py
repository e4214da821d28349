"""The crowds that are measured: who has which uplink, who comes when, who leaves, who only takes; and the
time that no protocol can beat."""

MIB = 1 << 20
# What one who only takes may send, in bytes a second: enough for its requests.
RIDER_UPLOAD = 16 << 10


class Scene:
    """One crowd around one source. Rates are bytes a second of payload and headers together."""

    def __init__(self, title, mib, source, uplinks, joins_over=0.0, leave=(), riders=(), equal=False, also=()):
        self.title, self.size, self.source, self.uplinks = title, int(mib * MIB), source, uplinks
        self.joins_over, self.leave, self.riders, self.equal = joins_over, set(leave), set(riders), equal
        self.also = list(also)

    def joins(self):
        """When each of the crowd starts, in seconds."""
        steady = len(self.uplinks) * self.size / (self.source + sum(self.uplinks))
        pause = steady * self.joins_over / max(1, len(self.uplinks) - 1)
        return [pause * number for number in range(len(self.uplinks))]

    def leaves_at(self):
        """When those who leave do so: half way of a crowd in which nobody does."""
        return len(self.uplinks) * self.size / (self.source + sum(self.uplinks)) / 2

    def bound(self):
        """max(F/us, NF/(us + sum of ui)): an uplink counts while its owner is there, those who leave need
        nothing, and those who only take give nothing."""
        giving, missed = self.source, 0.0
        for number, (rate, joined) in enumerate(zip(self.uplinks, self.joins())):
            if number in self.leave:
                missed -= rate * (self.leaves_at() - joined)
            elif number not in self.riders:
                giving += rate
                missed += rate * joined
        stay = len(self.uplinks) - len(self.leave)
        return max(self.size / self.source, (stay * self.size + missed) / giving)


def scenes(rate, mib, example_mib):
    """All of them by name. `mib` is the file of those that are measured at full length."""
    classes = [rate * (0.5, 1, 2)[number % 3] for number in range(9)]
    megabit = 125_000
    return {
        "equal-8": Scene("8 equal peers", mib, rate, [rate] * 8, equal=True),
        "equal-16": Scene("16 equal peers", mib, rate, [rate] * 16, equal=True),
        "weak-source": Scene("8 peers, a source with a quarter of their uplink", mib / 4, rate / 4, [rate] * 8),
        "classes": Scene("9 peers in three classes of speed (half, whole, double)", mib / 2, rate, classes),
        "leaving": Scene("16 peers, two of them leave half way", mib / 2, rate, [rate] * 16, leave=(0, 10)),
        "joining": Scene("8 peers that join one by one over half of the time", mib / 2, rate, [rate] * 8,
                         joins_over=0.5),
        "rider": Scene("8 peers and one that only takes", mib / 2, rate, [rate] * 9, riders=(8,)),
        "example": Scene("the documents' example: a source and 10 people with 10 Mbit/s each", example_mib,
                         10 * megabit, [10 * megabit] * 10, also=["http"]),
    }


def jain(values):
    """1 when all are equal, 1/n when one has everything."""
    values = list(values)
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 0.0
