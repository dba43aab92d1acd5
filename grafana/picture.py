"""Draws the panels of a dashboard from answers of Prometheus: HTML with inline SVG. A preview, not Grafana.

It knows the panels and options that these dashboards use, and no others.
"""

import html
import math
import re
import time

#: Grafana's palette for series, in its order.
SERIES = ["#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C", "#5794F2", "#B877D9", "#705DA0", "#37872D", "#FADE2A", "#447EBC", "#C15C17"]
VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"]
COLUMN, LINE, GAP = 66, 36, 8
THEMES = {
    "dark": {"page": "#111217", "panel": "#181b1f", "edge": "#2a2d33", "text": "#d5d7db", "weak": "#8e9198", "grid": "#2a2d33"},
    "light": {"page": "#f4f5f5", "panel": "#ffffff", "edge": "#e1e3e6", "text": "#24292e", "weak": "#6b7076", "grid": "#e9eaec"},
}
STYLE = """
*{box-sizing:border-box;margin:0}body{background:PAGE;color:TEXT;font:13px/1.35 Inter,'DejaVu Sans',Helvetica,Arial,sans-serif;width:1600px;padding:8px 8px 12px}
.bar{display:flex;align-items:center;gap:10px;height:34px;padding:0 6px;font-size:15px}.bar small{color:WEAK;font-size:12px}.bar .end{margin-left:auto}
.vars{display:flex;gap:8px;padding:0 6px 8px;flex-wrap:wrap}.vars span{border:1px solid EDGE;background:PANEL;border-radius:2px;padding:2px 8px;font-size:12px}.vars b{color:WEAK;font-weight:400;margin-right:6px}
.grid{position:relative}.p{position:absolute;background:PANEL;border:1px solid EDGE;border-radius:2px;overflow:hidden;display:flex;flex-direction:column}
.t{padding:5px 9px 2px;font-weight:500;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;flex:none}.b{flex:1;min-height:0;position:relative}
.row{position:absolute;left:4px;font-size:15px;font-weight:500;line-height:34px}.row i{color:WEAK;font-style:normal;font-size:12px;margin-left:8px}
.stats{display:flex;height:100%;align-items:center}.spark+.stats{height:72%}.s{flex:1;text-align:center;min-width:0;padding:0 4px;position:relative;z-index:1}.s u{display:block;text-decoration:none;color:TEXT;font-size:12px;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.s b{font-weight:500;white-space:nowrap}.spark{position:absolute;left:0;bottom:0;width:100%;height:38%}
.lg{padding:2px 9px 5px;font-size:11px;max-height:36px;overflow:hidden;flex:none}.lg span{margin-right:10px;white-space:nowrap;display:inline-block;max-width:100%;overflow:hidden;text-overflow:ellipsis}.lg i{display:inline-block;width:12px;height:3px;border-radius:1px;margin-right:5px;vertical-align:middle}
table{border-collapse:collapse;width:100%;font-size:12.5px}th{text-align:left;color:#6e9fff;font-weight:500}th,td{padding:5px 9px;border-bottom:1px solid EDGE;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;max-width:260px}td.n,th.n{text-align:right}
.none{position:absolute;inset:0;display:flex;align-items:center;justify-content:center;color:WEAK}svg text{font:11px Inter,'DejaVu Sans',Helvetica,Arial,sans-serif}
"""


def escaped(text):
    """Text for HTML."""
    return html.escape(str(text))


def scaled(value, names, base):
    """A number with the largest unit that leaves something before the point."""
    power = 0
    while abs(value) >= base and power < len(names) - 1:
        value, power = value / base, power + 1
    return value, names[power]


def short(value, decimals=None):
    """A number with three significant digits, or as many decimals as asked for."""
    if decimals is not None:
        return f"{value:.{decimals}f}"
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    text = f"{value:.3g}"
    return f"{value:.6f}".rstrip("0") if "e" in text else text


def formatted(value, unit, decimals=None):
    """A value in its unit, much as Grafana writes it."""
    if value is None or not math.isfinite(value):
        return "–"
    if unit == "percentunit":
        return short(100 * value, decimals if decimals is not None else 0 if abs(value) >= 0.1 or value == 0 else 2) + "%"
    if unit == "s":
        size = abs(value)
        if 0 < size < 1:
            value, name = (value * 1e3, " ms") if size >= 1e-3 else (value * 1e6, " µs")
            return short(float(f"{value:.3g}")) + name
        for limit, divisor, name in ((60, 1, " s"), (3600, 60, " min"), (86400, 3600, " h"), (math.inf, 86400, " d")):
            if size < limit:
                return short(value / divisor, decimals if divisor == 1 else None) + name
    if unit == "bytes":
        value, name = scaled(value, ("B", "KiB", "MiB", "GiB", "TiB"), 1024)
        return f"{short(value, decimals)} {name}"
    suffix = {"ops": " ops/s", "reqps": " req/s"}.get(unit, "")
    if unit == "none":
        return short(value, decimals)
    value, name = scaled(value, ("", " K", " Mil", " Bil"), 1000)
    return short(value, decimals) + name + suffix


def mapped(value, config):
    """Text and colour of a value, by its mappings, else by its thresholds."""
    for one in config.get("mappings", []):
        found = one["options"].get(f"{value:g}")
        if found:
            return found["text"], found["color"]
    color = None
    for step in config["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            color = step["color"]
    return formatted(value, config["unit"], config.get("decimals")), color


def legend(target, series):
    """The name of a series."""
    pattern = target["legendFormat"]
    if pattern in ("", "__auto"):
        return ", ".join(f'{key}="{value}"' for key, value in series["metric"].items())
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: series["metric"].get(found[1], ""), pattern).strip()


def properties(panel, name):
    """What overrides change for a field."""
    changed = {}
    for one in panel["fieldConfig"]["overrides"]:
        matcher = one["matcher"]
        if name == matcher["options"] or (matcher["id"] == "byRegexp" and re.search(matcher["options"].strip("/"), name)):
            changed |= {each["id"]: each["value"] for each in one["properties"]}
    return changed


def points(series):
    """Times and finite values."""
    return [(float(at), float(value)) for at, value in series.get("values", []) if math.isfinite(float(value))]


def ticks(low, high, count, unit, log):
    """Round numbers between two values; of bytes multiples of powers of two."""
    if log:
        powers = range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)
        return [2.0**power for power in powers if power % (len(powers) // count + 1) == 0]
    if unit == "bytes":
        step = 2.0 ** math.ceil(math.log2((high - low) / count or 1))
    else:
        step = 10 ** math.floor(math.log10((high - low) / count or 1))
        step *= next(factor for factor in (1, 2, 2.5, 5, 10) if (high - low) / (step * factor) <= count)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, int(math.floor(high / step + 1e-9)) + 1)]


class Picture:
    """Draws one dashboard: its answers by panel and query, and its marks."""

    def __init__(self, dashboard, answers, marks, begin, end, step, theme, values):
        self.dashboard, self.answers, self.marks = dashboard, answers, marks
        self.begin, self.end, self.step, self.colours, self.values = begin, end, step, THEMES[theme], values

    def page(self):
        """The whole page, and its height."""
        style = STYLE
        for key, colour in self.colours.items():
            style = style.replace(key.upper(), colour)
        shown = {one["name"]: one for one in self.dashboard["templating"]["list"] if one["hide"] == 0}
        chips = "".join(f"<span><b>{escaped(one['label'])}</b>{escaped(self.values.get(name, 'All'))}</span>" for name, one in shown.items())
        body, bottom = [], 0
        for panel in self.dashboard["panels"]:
            at = panel["gridPos"]
            top = at["y"] * LINE
            bottom = max(bottom, top + at["h"] * LINE)
            if panel["type"] == "row":
                arrow, note = ("▸", f"<i>({len(panel['panels'])} panels)</i>") if panel["collapsed"] else ("▾", "")
                body.append(f'<div class="row" style="top:{top}px">{arrow} {escaped(panel["title"])}{note}</div>')
                continue
            width, height = at["w"] * COLUMN - GAP, at["h"] * LINE - GAP
            body.append(
                f'<div class="p" style="left:{at["x"] * COLUMN}px;top:{top}px;width:{width}px;height:{height}px">'
                f'<div class="t">{escaped(self.named(panel["title"]))}</div>{self.inside(panel, width, height)}</div>'
            )
        span = f"{(self.end - self.begin) / 60:.0f} minutes"
        head = f'<div class="bar">{escaped(self.dashboard["title"])} <small>{escaped(self.dashboard["description"])}</small><small class="end">preview drawn from the answers of Prometheus, not by Grafana · last {span}</small></div>'
        text = f'<!doctype html><meta charset="utf-8"><style>{style}</style><body>{head}<div class="vars">{chips}</div><div class="grid" style="height:{bottom}px">{"".join(body)}</div>'
        return text, bottom + 34 + 36 + 20

    def named(self, text):
        """Text with the variables filled in."""
        return re.sub(r"\$(\w+)", lambda found: self.values.get(found[1], found[0]), text)

    def inside(self, panel, width, height):
        """What is in a panel under its title."""
        draw = {"stat": self.stat, "timeseries": self.lines, "heatmap": self.heatmap, "state-timeline": self.timeline, "table": self.table}
        found = [(target, one) for target in panel["targets"] for one in self.answers[panel["id"], target["refId"]]]
        if not found:
            return '<div class="b"><div class="none">No data</div></div>'
        return draw[panel["type"]](panel, found, width - 2, height - 30)

    def stat(self, panel, found, width, height):
        """Large numbers."""
        config, cells, spark = panel["fieldConfig"]["defaults"], [], ""
        names = panel["options"]["textMode"] == "value_and_name"
        for target, one in found:
            values = points(one) or [(0, float(one["value"][1]))]
            text, colour = mapped(values[-1][1], config)
            size = max(15, min(34, height * 0.45, 1.5 * width / len(found) / max(len(text), 1)))
            name = f"<u>{escaped(legend(target, one))}</u>" if names else ""
            cells.append(f'<div class="s">{name}<b style="color:{colour};font-size:{size:.0f}px">{escaped(text)}</b></div>')
            if panel["options"]["graphMode"] == "area" and len(values) > 1:
                top = max(value for _, value in values) or 1
                path = " ".join(f"{100 * (at - self.begin) / (self.end - self.begin):.1f},{40 - 36 * max(value, 0) / top:.1f}" for at, value in values)
                last = 100 * (values[-1][0] - self.begin) / (self.end - self.begin)
                first = 100 * (values[0][0] - self.begin) / (self.end - self.begin)
                spark = (
                    f'<svg class="spark" viewBox="0 0 100 40" preserveAspectRatio="none"><polygon points="{first:.1f},40 {path} {last:.1f},40" fill="{colour}" opacity=".2"/>'
                    f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1" vector-effect="non-scaling-stroke"/></svg>'
                )
        return f'<div class="b">{spark}<div class="stats">{"".join(cells)}</div></div>'

    def frame(self, width, height, low, high, unit, decimals=None, labels=None, log=False):
        """Axes and marks; the places of times and values, and the SVG so far."""
        written = labels or [(value, formatted(value, unit, decimals)) for value in ticks(low, high, max(2, int(height / 38)), unit, log)]
        if not labels and decimals is not None and len({text for _, text in written}) < len(written):
            written = [(value, formatted(value, unit)) for value, _ in written]
        left = 14 + 6.4 * max((len(text) for _, text in written), default=1)
        right, top, bottom = width - 10, 6, height - 20

        def x(at):
            return left + (right - left) * (at - self.begin) / (self.end - self.begin)

        def y(value):
            share = math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)
            return bottom - (bottom - top) * share

        drawn = []
        for value, text in written:
            if not labels:
                drawn.append(f'<line x1="{left:.0f}" x2="{right:.0f}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="{self.colours["grid"]}"/>')
            drawn.append(f'<text x="{left - 7:.0f}" y="{y(value) + 4:.1f}" text-anchor="end" fill="{self.colours["weak"]}">{escaped(text)}</text>')
        every = next(seconds for seconds in (5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 86400) if (self.end - self.begin) / seconds * 85 < right - left)
        at = math.ceil(self.begin / every) * every
        while x(at) < right - 18:
            text = time.strftime("%H:%M" if every >= 60 else "%H:%M:%S", time.gmtime(at))
            drawn.append(f'<text x="{x(at):.0f}" y="{height - 4}" text-anchor="middle" fill="{self.colours["weak"]}">{text}</text>')
            at += every
        return x, y, drawn, (left, right, top, bottom)

    def marked(self, x, box):
        """The annotations: a dashed line with a flag each."""
        drawn = {}
        for at, colour in self.marks:
            # Those that are close together are one, as in Grafana.
            if self.begin <= at <= self.end and at - drawn.get(colour, -math.inf) > (self.end - self.begin) / 40:
                drawn[colour] = at
                yield f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{box[2]}" y2="{box[3]}" stroke="{colour}" stroke-dasharray="3 3" opacity=".75"/>'
                yield f'<path d="M{x(at) - 4:.1f},{box[3] + 5} h8 l-4,-5 z" fill="{colour}"/>'

    def lines(self, panel, found, width, height):
        """Lines, bars and areas over time."""
        config = panel["fieldConfig"]["defaults"]
        custom, series = config["custom"], []
        log = custom["scaleDistribution"]["type"] == "log"
        for target, one in found:
            values = [point for point in points(one) if point[1] > 0 or not log]
            if values:
                series.append((legend(target, one), values))
        if not series:
            return '<div class="b"><div class="none">No data</div></div>'
        fixed = config["color"].get("fixedColor")
        colours = {name: properties(panel, name).get("color", {}).get("fixedColor") or fixed or SERIES[n % len(SERIES)] for n, (name, _) in enumerate(series)}
        stacked = custom["stacking"]["mode"] == "normal"
        bars = custom["drawStyle"] == "bars"
        levels, drawn_values, floors = {}, [], []
        for _, values in series:
            floors.append([(at, levels.get(at, 0.0)) for at, _ in values] if stacked else None)
            if stacked:
                values = [(at, levels.get(at, 0.0) + value) for at, value in values]
                levels.update(values)
            drawn_values.append(values)
        every = [value for values in drawn_values for _, value in values]
        limits = [step for step in config["thresholds"]["steps"] if step["value"] is not None] if custom["thresholdsStyle"]["mode"] != "off" else []
        low, high = config.get("min", min(every)), max(every)
        near = [step["value"] for step in limits if step["value"] < 3 * high or step["value"] < 1.2]
        high = max([high, *near])
        low = min([low, *near]) if "min" not in config else low
        if log:
            low, high = low / 1.2, high * 1.2
        else:
            high += (high - low) * 0.08 or abs(high) * 0.1 or 1
            low -= 0 if "min" in config else (high - low) * 0.08
        high = config.get("max", high)
        x, y, drawn, box = self.frame(width, height - 34, low, high, config["unit"], config.get("decimals"), log=log)
        for step in limits:
            if low <= step["value"] <= high:
                drawn.append(f'<line x1="{box[0]:.0f}" x2="{box[1]:.0f}" y1="{y(step["value"]):.1f}" y2="{y(step["value"]):.1f}" stroke="{step["color"]}" stroke-width="1.5" stroke-dasharray="7 5"/>')
        lines = dict(zip((name for name, _ in series), drawn_values))
        thick = max(2.0, (box[1] - box[0]) * self.step / (self.end - self.begin) * 0.7)
        for (name, _), values, floor in zip(series, drawn_values, floors):
            changed = properties(panel, name)
            colour = colours[name]
            if bars:
                for n, (at, value) in enumerate(values):
                    base = floor[n][1] if floor else max(low, 0)
                    if value > base:
                        drawn.append(f'<rect x="{x(at) - thick / 2:.1f}" width="{thick:.1f}" y="{y(value):.1f}" height="{y(base) - y(value):.1f}" fill="{colour}" opacity=".8"/>')
                continue
            below = lines.get(changed.get("custom.fillBelowTo")) or floor
            fill = changed.get("custom.fillOpacity", custom["fillOpacity"])
            stretches = self.unbroken(values)
            for stretch in stretches if fill else []:
                inside = {at for at, _ in stretch}
                under = [point for point in below if point[0] in inside] if below else [(stretch[0][0], max(low, 0)), (stretch[-1][0], max(low, 0))]
                shape = [*stretch, *reversed(under)]
                drawn.append(f'<polygon points="{" ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in shape)}" fill="{colour}" opacity="{fill / 100}"/>')
            if changed.get("custom.lineWidth", custom["lineWidth"]):
                dash = ' stroke-dasharray="8 6"' if "custom.lineStyle" in changed else ""
                for stretch in stretches:
                    if len(stretch) == 1:
                        drawn.append(f'<circle cx="{x(stretch[0][0]):.1f}" cy="{y(stretch[0][1]):.1f}" r="2" fill="{colour}"/>')
                    else:
                        drawn.append(f'<polyline points="{" ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in stretch)}" fill="none" stroke="{colour}" stroke-width="1.4"{dash}/>')
        drawn += self.marked(x, box)
        return f'<div class="b"><svg width="{width}" height="{height - 34}">{"".join(drawn)}</svg></div>{self.legend(colours)}'

    def unbroken(self, values):
        """Stretches without a gap."""
        found = []
        for point in values:
            if found and point[0] - found[-1][-1][0] < 1.5 * self.step:
                found[-1].append(point)
            else:
                found.append([point])
        return found

    @staticmethod
    def legend(colours):
        """The names of the lines."""
        return '<div class="lg">' + "".join(f'<span><i style="background:{colour}"></i>{escaped(name)}</span>' for name, colour in colours.items()) + "</div>"

    def heatmap(self, panel, found, width, height):
        """Buckets over time, native ones, or classic ones between their bounds."""
        native = [sample for _, one in found for sample in one.get("histograms", [])]
        if native:
            return self.native(panel, native, width, height)
        found = sorted(((float(one["metric"]["le"]), points(one)) for _, one in found if "le" in one["metric"]), key=lambda each: each[0])
        columns, below = [], {}
        for _, values in found:
            columns.append({at: value - below.get(at, 0.0) for at, value in values})
            below = dict(values)
        used = [n for n, column in enumerate(columns) if any(value > 1e-9 for value in column.values())]
        if not used:
            return '<div class="b"><div class="none">No data</div></div>'
        first, last = max(0, used[0] - 1), min(len(columns) - 1, used[-1] + 1)
        most = max(max(column.values(), default=0) for column in columns)
        unit = panel["options"]["yAxis"]["unit"]
        labels = [(n - first + 1, formatted(found[n][0], unit) if math.isfinite(found[n][0]) else "+Inf") for n in range(first, last + 1)]
        count = last - first + 1
        x, y, drawn, box = self.frame(width, height, 0, count, unit, labels=labels)
        wide = (box[1] - box[0]) * self.step / (self.end - self.begin)
        tall = (box[3] - box[2]) / count
        for n in range(first, last + 1):
            for at, value in columns[n].items():
                if value > 1e-9:
                    colour = VIRIDIS[min(len(VIRIDIS) - 1, int(math.sqrt(value / most) * len(VIRIDIS)))]
                    drawn.append(f'<rect x="{max(box[0], x(at) - wide):.1f}" width="{wide - 0.6:.1f}" y="{y(n - first + 1) + 0.5:.1f}" height="{tall - 1:.1f}" fill="{colour}"/>')
        drawn += self.marked(x, box)
        return f'<div class="b"><svg width="{width}" height="{height}">{"".join(drawn)}</svg></div>'

    def native(self, panel, samples, width, height):
        """Native buckets on a logarithmic scale, eight to a doubling."""
        cells = {}
        for at, histogram in samples:
            for _, lower, upper, count in histogram.get("buckets", []):
                if float(lower) > 0 and float(count) > 1e-9:
                    key = float(at), math.floor(math.log2(float(lower)) * 8 + 1e-6)
                    cells[key] = cells.get(key, 0.0) + float(count)
        low, high = 2 ** (min(n for _, n in cells) / 8), 2 ** ((max(n for _, n in cells) + 1) / 8)
        unit = panel["options"]["yAxis"]["unit"]
        round_ones = [factor * 10**power for power in range(-6, 6) for factor in (1, 2, 5)]
        labels = [(value, formatted(value, unit)) for value in round_ones if low <= value <= high]
        x, y, drawn, box = self.frame(width, height, low, high, unit, labels=labels, log=True)
        wide, most = (box[1] - box[0]) * self.step / (self.end - self.begin), max(cells.values())
        for (at, n), count in cells.items():
            colour = VIRIDIS[min(len(VIRIDIS) - 1, int(math.sqrt(count / most) * len(VIRIDIS)))]
            top, bottom = y(2 ** ((n + 1) / 8)), y(2 ** (n / 8))
            drawn.append(f'<rect x="{max(box[0], x(at) - wide):.1f}" width="{wide - 0.5:.1f}" y="{top:.1f}" height="{bottom - top - 0.5:.1f}" fill="{colour}"/>')
        drawn += self.marked(x, box)
        return f'<div class="b"><svg width="{width}" height="{height}">{"".join(drawn)}</svg></div>'

    def timeline(self, panel, found, width, height):
        """States over time."""
        config = panel["fieldConfig"]["defaults"]
        rows = sorted((legend(target, one), points(one)) for target, one in found)
        most = max(1, int((height - 46) / 15))
        hidden = len(rows) - most
        # What changed most is what one wants to see where there is no room for all.
        rows = sorted(sorted(rows, key=lambda row: -len({value for _, value in row[1]}))[:most]) if hidden > 0 else rows
        names = [name if len(name) < 38 else name[:37] + "…" for name, _ in rows]
        x, y, drawn, box = self.frame(width, height - 22, 0, len(rows), "none", labels=[(len(rows) - n - 0.5, name) for n, name in enumerate(names)])
        tall = (box[3] - box[2]) / len(rows)
        for n, (_, values) in enumerate(rows):
            for stretch in self.unbroken(values):
                while stretch:
                    same = next((k for k, (_, value) in enumerate(stretch) if value != stretch[0][1]), len(stretch))
                    until = stretch[same][0] if same < len(stretch) else min(self.end, stretch[-1][0] + self.step)
                    text, colour = mapped(stretch[0][1], config)
                    left, long = x(stretch[0][0]), x(until) - x(stretch[0][0])
                    drawn.append(f'<rect x="{left:.1f}" width="{long:.1f}" y="{y(len(rows) - n) + tall * 0.1:.1f}" height="{tall * 0.8:.1f}" fill="{colour}" opacity=".85"/>')
                    if long > 7 * len(text) and tall > 13:
                        drawn.append(f'<text x="{left + 4:.1f}" y="{y(len(rows) - n - 0.5) + 4:.1f}" fill="#fff">{text}</text>')
                    stretch = stretch[same:]
        states = {one["text"]: one["color"] for one in config["mappings"][0]["options"].values()}
        return f'<div class="b"><svg width="{width}" height="{height - 22}">{"".join(drawn)}</svg></div>{self.legend(states)}'

    def table(self, panel, found, _, height):
        """Rows of labels and values, merged as Grafana's transformation does."""
        organize = panel["transformations"][-1]["options"]
        rows, single = {}, len(panel["targets"]) == 1
        for target, one in found:
            key = tuple(sorted(one["metric"].items()))
            field = "Value" if single else f"Value #{target['refId']}"
            rows.setdefault(key, dict(one["metric"]))[field] = float(one["value"][1])
        fields = sorted(organize["indexByName"], key=organize["indexByName"].get)
        titles = [organize["renameByName"].get(field, field) for field in fields]
        listed = list(rows.values())
        for sort in panel["options"]["sortBy"]:
            field = fields[titles.index(sort["displayName"])]
            listed.sort(key=lambda row: row.get(field, -math.inf), reverse=sort["desc"])
        head = "".join(f'<th class="{"n" if field.startswith("Value") else ""}">{escaped(title)}</th>' for field, title in zip(fields, titles))
        body = []
        for row in listed[: max(1, int((height - 30) / 28))]:
            cells = []
            for field, title in zip(fields, titles):
                value, changed = row.get(field), properties(panel, title)
                if value is None or isinstance(value, str):
                    link = ' style="color:#6e9fff"' if "links" in changed else ""
                    cells.append(f'<td class="{"n" if field.startswith("Value") else ""}"{link}>{escaped(value or "")}</td>')
                    continue
                text, colour = mapped(value, panel["fieldConfig"]["defaults"] | changed) if math.isfinite(value) else ("–", None)
                kind = changed.get("custom.cellOptions", {}).get("type")
                style = f"background:{colour};color:#fff" if kind == "color-background" else f"color:{colour}" if kind == "color-text" else ""
                cells.append(f'<td class="n" style="{style}">{escaped(text)}</td>')
            body.append(f"<tr>{''.join(cells)}</tr>")
        return f'<div class="b"><table><tr>{head}</tr>{"".join(body)}</table></div>'
