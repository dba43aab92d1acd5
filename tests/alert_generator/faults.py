"""Lines 45 to 50, and 28: Alertmanagers that are away, restarts and reloads. Each has programs and a timeline of its own."""

import contextlib
import http.client
import threading
import time

import rules
from checking import ROUNDING, expect, near
from moments import moment
from peers import Alertmanager, Feeder, Opwatch, Prometheus
from sending import gaps, last_sends_of_ends
from sink import Sink
from timeline import INTERVAL, RESEND, Episode, Series
from watch import History, Watch


class Listing(threading.Thread):
    """Looks at the alerts that an Alertmanager has."""

    def __init__(self, alertmanager, scale):
        super().__init__(daemon=True)
        self.alertmanager, self.pause = alertmanager, scale.seconds(0.5)
        self.found, self.ending = {}, threading.Event()

    def run(self):
        """Looks until told to stop; it may be away."""
        while not self.ending.wait(self.pause):
            with contextlib.suppress(OSError, http.client.HTTPException):
                for one in self.alertmanager.alerts():
                    key = frozenset(one["labels"].items())
                    self.found.setdefault(key, {})[moment(one["updatedAt"])] = one

    def stop(self):
        """Ends it."""
        self.ending.set()
        self.join()


class PatientWatch(Watch):
    """Looks at a program that is killed and started again."""

    def look(self):
        """Looks until there is an answer."""
        while not self.ending.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                return super().look()
            time.sleep(0.02)
        return self.looks[-1]


class PatientFeeder(Feeder):
    """Reports also to nobody."""

    def send(self, at, values):
        """Sends one step, if there is someone."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            super().send(at, values)


def until(begin, scale, step):
    """Waits for a step."""
    time.sleep(max(0.0, begin + scale.seconds(step) - time.time()))


def write(folder, *groups):
    """Writes a rule file."""
    path = folder / "rules.yaml"
    path.write_text(rules.block({"groups": list(groups)}), encoding="utf-8")
    return [path]


class Restless:
    """Lines 45, 46 and 50: a sink and an Alertmanager go and come back, one sink never answers, rules are changed meanwhile."""

    AWAY, BACK, RELOAD, END = 14, 24, 14, 46
    SERIES = (Series("steady", ((0, 5), (4, 11))), Series("passing", ((0, 5), (4, 11), (18, 5))))

    def __init__(self, scale, folder, lag, binary=None):
        self.scale, self.folder, self.lag = scale, folder, lag
        self.form = rules.Opwatch(scale) if binary else rules.Prometheus(scale)
        folder.mkdir()
        self.good, self.also_good, self.away = Sink(), Sink(), Sink()
        self.hanging, self.hook = Sink(hangs=True), Sink()
        self.sinks = [self.good, self.also_good, self.hanging, self.away, self.hook]
        self.alertmanager = None
        paths = write(folder, *self.groups(False))
        if binary:
            self.alertmanager = Alertmanager(folder, scale, self.hook)
            sinks = [self.good, self.also_good, self.hanging, self.away, self.alertmanager]
            self.generator = Opwatch(folder, scale, paths, sinks, binary)
        else:
            # One that never answers would hold up the others: Prometheus waits for all before its next send.
            self.generator = Prometheus(folder, scale, paths, [self.away])

    def groups(self, changed):
        """The rules, before and after the reload."""
        rule, group = self.form.rule, self.form.group
        return [
            group("faults", rule("Steady", "steady", 10), rule("Passing", "passing", 10)),
            group(
                "reload",
                rule("Unchanged", "steady", 10, hold=24),
                rule("Longer", "steady", 10, hold=26 if changed else 24),
                rule("Relabelled", "steady", 10, (), {"tier": "two" if changed else "one"}, hold=24),
            ),
        ]

    def run(self):
        """The whole timeline."""
        self.generator.start()
        if self.alertmanager:
            self.alertmanager.start()
            self.listing = Listing(self.alertmanager, self.scale)
            self.listing.start()
        self.watch = Watch(self.generator, self.scale, self.lag)
        self.watch.start()
        self.begin = time.time() + self.scale.seconds(0.5)
        feeder = Feeder(self.generator, self.scale, self.begin, self.lag, self.SERIES, self.END)
        feeder.start()
        until(self.begin, self.scale, self.AWAY)
        self.away.down()
        if self.alertmanager:
            self.alertmanager.stop()
        self.reloaded = time.time()
        write(self.folder, *self.groups(True))
        self.generator.reload()
        until(self.begin, self.scale, self.BACK)
        if self.alertmanager:
            self.alertmanager.start()
        self.back = time.time()
        self.away.up()
        feeder.join()
        self.watch.stop()
        if self.alertmanager:
            self.listing.stop()
        for fault in (feeder.fault, self.watch.fault):
            if fault:
                raise fault
        self.history = History(self.watch.looks, self.alertmanager is None)

    def stop(self):
        """Ends all."""
        for sink in self.sinks:
            sink.stop()
        self.generator.stop()
        if self.alertmanager:
            self.alertmanager.stop()

    @property
    def interval(self):
        """Seconds between evaluations."""
        return self.scale.seconds(INTERVAL)

    @property
    def tolerance(self):
        """By how much things may be late."""
        return self.interval / 2 + self.lag.worst

    def due(self):
        """Seconds in which a firing alert is sent again at the latest."""
        return self.scale.seconds(RESEND) + self.interval + self.tolerance

    def each_gets_everything(self):
        """Line 45."""
        said = []
        for name in ("Steady", "Passing"):
            (life,) = self.history.lives(name)
            both = [[(one.times[0], one.is_firing) for one in sink.of(name)] for sink in (self.good, self.also_good)]
            expect(both[0] == both[1], f"{name}: {both[0]} and {both[1]}")
            sends = [one.at for one in self.good.of(name) if one.is_firing]
            expect(sends[0] - life.first("firing") <= self.tolerance, f"{name} was sent {sends[0] - life.first('firing'):.3f} s late")
            found = gaps(sends, life.first("firing"), life.ended or self.watch.looks[-1].at, self, name)
            said.append(f"{name} {len(both[0])} sends to each")
            if found:
                said[-1] += f", at most {max(found):.3f} s apart"
        (life,) = self.history.lives("Passing")
        late = next(one.at for one in self.good.of("Passing") if not one.is_firing) - life.ended
        expect(late <= self.tolerance, f"its end was sent {late:.3f} s late")
        hung = self.hanging.posts
        expect(hung, "the one that never answers was sent nothing")
        return "; ".join(said) + f"; its end {late * 1000:.0f} ms after the evaluation, while one sink never answered {len(hung)} requests and one was away"

    def away_hears_later(self):
        """Line 46 at a sink."""
        (life,) = self.history.lives("Passing")
        expect(self.begin + self.scale.seconds(self.AWAY) < life.ended < self.back, f"it ended at {life.ended}, away until {self.back}")
        firing = [one.at - self.back for one in self.away.of("Steady", True) if one.at > self.back - ROUNDING]
        expect(firing and firing[0] <= self.due(), f"what fires came {firing[:1]} s after it was back")
        ended = [one for one in self.away.of("Passing", False) if one.at > self.back - ROUNDING]
        expect(ended and ended[0].at - life.ended <= self.scale.seconds(60), "what ended meanwhile was not told")
        expect(near(ended[0].ends, life.ended, ROUNDING) or not life.is_end_sure, f"with endsAt {ended[0].times[1]}")
        return f"what fires {firing[0]:.3f} s, what ended meanwhile {ended[0].at - self.back:.3f} s after it was back"

    def alertmanager_hears_later(self):
        """Line 46 at a real Alertmanager that was restarted."""
        (steady,), (passing,) = self.history.lives("Steady"), self.history.lives("Passing")
        after = [at for at in self.listing.found[steady.key] if at > self.back]
        expect(after and min(after) - self.back <= self.due(), f"what fires came {after[:1]}, back at {self.back}")
        starts = {one["startsAt"] for one in self.listing.found[steady.key].values()}
        expect(len(starts) == 1, f"it starts at {starts}")
        ended = [one for one in self.hook.of("Passing", False)]
        expect(len(ended) == 1 and ended[0].at - passing.ended <= self.scale.seconds(60), f"the end was told at {[one.at for one in ended]}, it ended at {passing.ended}")
        return f"what fires {min(after) - self.back:.3f} s, what ended meanwhile {ended[0].at - self.back:.3f} s (at the webhook) after it was back"

    def alertmanager_gets_everything(self):
        """Line 45 at a real Alertmanager beside others."""
        (life,) = self.history.lives("Steady")
        late = min(self.listing.found[life.key]) - life.first("firing")
        expect(late <= self.tolerance, f"it came {late:.3f} s after it fired")
        return f"{late * 1000:.0f} ms after it fired, beside a sink that never answers"

    def reload_keeps(self):
        """Line 50."""
        (kept,) = self.history.lives("Unchanged")
        expect(kept.active_at < self.reloaded and kept.first("firing"), f"it began at {kept.active_at}, reloaded at {self.reloaded}")
        hold = self.scale.seconds(24)
        expect(near(kept.first("firing") - kept.active_at, hold, self.interval + self.tolerance), f"it fires after {kept.first('firing') - kept.active_at:.3f} s")
        tiers = {life.labels["tier"]: life.active_at for life in self.history.lives("Relabelled")}
        expect(tiers["one"] < self.reloaded <= tiers["two"], f"{tiers}, reloaded at {self.reloaded}")
        said = f"unchanged fires {kept.first('firing') - kept.active_at:.3f} s after its activeAt, {self.reloaded - kept.active_at:.3f} s before the reload; other labels begin anew"
        longer = self.history.lives("Longer")
        if isinstance(self.generator, Prometheus):
            expect(len(longer) == 1, f"{longer}")
            return said + "; another `for` does not in Prometheus, which goes by name and labels"
        expect(len(longer) == 2 and longer[0].active_at < self.reloaded <= longer[1].active_at, f"{longer}")
        expect(longer[0].first("firing") is None, "it fired before")
        return said + ", and so does another `for`"


class Killed:
    """Lines 47 to 49: opwatch is killed while one alert is pending, one fires and one is kept firing. Line 28: its delay is the default."""

    END = 44
    HOLD, KEEP = 20, 14
    SERIES = (Series("waiting", ((0, 5), (4, 11))), Series("kept", ((0, 5), (4, 11), (14, 5))))

    def __init__(self, scale, folder, lag, binary):
        self.scale, self.lag = scale, lag
        folder.mkdir()
        self.sink, self.hook = Sink(), Sink()
        self.alertmanager = Alertmanager(folder, scale, self.hook)
        form = rules.Opwatch(scale)
        group = form.group("killed", form.rule("Waiting", "waiting", 10, hold=self.HOLD), form.rule("Burning", "waiting", 10), form.rule("Kept", "kept", 10, keep=self.KEEP))
        self.generator = Opwatch(folder, scale, write(folder, group), [self.sink, self.alertmanager], binary, resend_delay=None)

    def run(self):
        """The whole timeline."""
        self.alertmanager.start()
        self.generator.start()
        self.listing = Listing(self.alertmanager, self.scale)
        self.watch = PatientWatch(self.generator, self.scale, self.lag)
        self.begin = time.time() + self.scale.seconds(0.5)
        feeder = PatientFeeder(self.generator, self.scale, self.begin, self.lag, self.SERIES, self.END)
        for thread in (self.listing, self.watch, feeder):
            thread.start()
        while not (alerts := self.generator.rule("Waiting")["alerts"]):
            expect(time.time() < self.begin + self.scale.seconds(self.END), "it is never pending")
            time.sleep(self.watch.pause)
        time.sleep(max(0.0, moment(alerts[0]["activeAt"]) + 0.8 * self.scale.seconds(self.HOLD) - time.time()))
        self.killed = time.time()
        self.generator.kill()
        self.generator.start()
        self.ready = time.time()
        feeder.join()
        self.watch.stop()
        self.listing.stop()
        for fault in (feeder.fault, self.watch.fault):
            if fault:
                raise fault
        self.history = History(self.watch.looks)

    def stop(self):
        """Ends all."""
        self.sink.stop()
        self.hook.stop()
        self.generator.stop()
        self.alertmanager.stop()

    @property
    def interval(self):
        """Seconds between evaluations."""
        return self.scale.seconds(INTERVAL)

    @property
    def slack(self):
        """What may lie between the right moment and the evaluation that sees it: an interval, and the time of no process."""
        return self.interval + self.interval / 2 + self.lag.worst + self.ready - self.killed

    def pending_goes_on(self):
        """Line 47."""
        (life,) = self.history.lives("Waiting")
        hold = self.scale.seconds(self.HOLD)
        expect(life.active_at < self.killed < life.active_at + hold, f"killed at {self.killed}, pending since {life.active_at}")
        after = life.first("firing") - life.active_at
        expect(hold - self.interval <= after <= hold + self.slack, f"it fires after {after:.3f} s")
        share = (self.killed - life.active_at) / hold
        return f"killed at {share:.0%} of {hold:g} s, away for {self.ready - self.killed:.3f} s, fires {after:.3f} s after its activeAt, which is the same"

    def firing_goes_on(self):
        """Line 48 at a sink."""
        sent = self.sink.of("Burning")
        after = [one for one in sent if one.at > self.killed]
        expect(after, "nothing was sent after the restart")
        expect(all(one.is_firing for one in sent), "its end was sent")
        starts = {one.times[0] for one in sent}
        expect(len(starts) == 1, f"it starts at {starts}")
        return f"one startsAt, sent again {after[0].at - self.ready:.3f} s after the start, no end"

    def alertmanager_keeps_firing(self):
        """Line 48 at a real Alertmanager."""
        (life,) = self.history.lives("Burning")
        found = self.listing.found[life.key]
        expect(min(found) < self.killed < max(found), f"told at {sorted(found)}, killed at {self.killed}")
        starts = {one["startsAt"] for one in found.values()}
        expect(len(starts) == 1, f"it starts at {starts}")
        told_of = self.hook.of("Burning")
        expect(len(told_of) == 1 and told_of[0].is_firing, f"the webhook was told {[(one.is_firing, one.at) for one in told_of]}")
        return "startsAt unchanged over the restart; the webhook was told once that it fires, and of no end"

    def kept_goes_on(self):
        """Line 49."""
        (life,) = self.history.lives("Kept")
        keep = self.scale.seconds(self.KEEP)
        low = self.begin + self.scale.seconds(14)
        expect(low < self.killed < low + keep, f"killed {self.killed - low:.3f} s after its cause ended")
        expect(life.ended and keep - self.interval <= life.ended - low <= keep + self.interval + self.slack, f"it ends {life.ended and life.ended - low} s after its cause")
        expect({one.state for one in life.seen if one.evaluated > self.killed} == {"firing"}, f"{life.seen}")
        ends = [one for one in self.sink.of("Kept") if not one.is_firing]
        expect(ends and ends[0].at >= life.ended - ROUNDING, f"its end was sent at {[one.at for one in ends]}, it ended at {life.ended}")
        return f"killed {self.killed - low:.3f} s into {keep:g} s, ends {life.ended - low:.3f} s after its cause; its end was sent then and not before"

    def default_delay(self):
        """Line 28: what the default is shows in how long an alert is valid."""
        valid = {round(one.ends - max(at for at in self.history.evaluations("Burning") if at <= one.at + ROUNDING), 2) for one in self.sink.of("Burning")}
        expect(valid == {240.0}, f"valid for {valid} s")
        return "without a setting alerts are sent as valid for 4 × 60 s"


class Retention:
    """Line 30 in real time: fifteen minutes of resolved alerts, which no flag of Prometheus changes; in opwatch as the default."""

    SECONDS = 900
    SERIES = (Series("zero", ((0, 5), (4, 11), (12, 5))),)

    def __init__(self, scale, folder, lag, binary=None):
        self.scale, self.lag, self.name = scale, lag, "T4" if binary else "T1"
        folder.mkdir()
        self.sink = Sink()
        form = rules.Opwatch(scale) if binary else rules.Prometheus(scale)
        paths = write(folder, form.group("retention", form.rule("Zero", "zero", 10)))
        self.generator = Opwatch(folder, scale, paths, [self.sink], binary, resolved_retention=None) if binary else Prometheus(folder, scale, paths, [self.sink])

    def run(self):
        """The whole timeline: the retention and three sends more."""
        self.generator.start()
        watch = Watch(self.generator, self.scale, self.lag)
        self.begin = time.time() + self.scale.seconds(0.5)
        feeder = Feeder(self.generator, self.scale, self.begin, self.lag, self.SERIES, round(self.SECONDS / self.scale.step) + 40)
        watch.start()
        feeder.start()
        feeder.join()
        self.sink.close()
        watch.stop()
        for fault in (feeder.fault, watch.fault):
            if fault:
                raise fault
        self.history = History(watch.looks, self.name == "T1")

    def stop(self):
        """Ends all."""
        self.sink.stop()
        self.generator.stop()

    def check(self, case):
        """Line 30."""
        return last_sends_of_ends(case, self.SECONDS)

    #: What was to be.
    EPISODES = (Episode("Zero", 4, 12, True),)
