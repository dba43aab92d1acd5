"""The parts of a dashboard: panels, columns of tables, rows, and the layout that puts them onto the grid."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}

# Okabe and Ito's palette, which people tell apart however they see colours.
BLUE, SKY, GREEN, YELLOW, ORANGE, RED, PURPLE, GREY = "#0072B2", "#56B4E9", "#009E73", "#F0E442", "#E69F00", "#D55E00", "#CC79A7", "#8E8E8E"
PALETTE = (BLUE, SKY, GREEN, YELLOW, ORANGE, RED, PURPLE, GREY)

#: What `opwatch_rule_state` says.
STATES = [
    {
        "type": "value",
        "options": {
            "-1": {"index": 0, "text": "no data", "color": GREY},
            "0": {"index": 1, "text": "inactive", "color": GREEN},
            "1": {"index": 2, "text": "pending", "color": ORANGE},
            "2": {"index": 3, "text": "firing", "color": RED},
        },
    }
]


def words(**pairs):
    """Words for values, each with a colour: `_0=("ok", GREEN)`."""
    options = {name[1:]: {"index": n, "text": text, "color": color} for n, (name, (text, color)) in enumerate(pairs.items())}
    return [{"type": "value", "options": options}]


def steps(*pairs, base=GREEN):
    """Colours from values on: `steps((0.8, ORANGE), (1, RED))`."""
    return {
        "mode": "absolute",
        "steps": [{"color": base, "value": None}] + [{"color": color, "value": value} for value, color in pairs],
    }


def query(expr, legend="", *, instant=False, table=False, heatmap=False, exemplar=False):
    """One query of a panel."""
    form = "table" if table else "heatmap" if heatmap else "time_series"
    return {
        "datasource": SOURCE,
        "editorMode": "code",
        "exemplar": exemplar,
        "expr": expr,
        "format": form,
        "instant": instant or table,
        "legendFormat": legend or ("" if table else "__auto"),
        "range": not (instant or table),
    }


def override(name, regex=False, **properties):
    """How one field differs; `custom_` stands for `custom.`."""
    matcher = {"id": "byRegexp" if regex else "byName", "options": name}
    listed = [{"id": key.replace("custom_", "custom."), "value": value} for key, value in properties.items()]
    return {"matcher": matcher, "properties": listed}


def panel(kind, title, description, queries, unit, size, *, options, custom=None, overrides=(), **defaults):
    """Any panel. `size` is width and height on the grid of 24 columns; `title` says what is seen, `description` how to read it."""
    for n, one in enumerate(queries):
        one["refId"] = chr(ord("A") + n)
    config = {"unit": unit, "color": {"mode": "palette-classic"}, "mappings": [], "thresholds": steps()} | defaults
    if custom is not None:
        config["custom"] = custom
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": list(queries),
        "fieldConfig": {"defaults": config, "overrides": list(overrides)},
        "options": options,
        "gridPos": {"w": size[0], "h": size[1]},
    }


def stat(title, description, queries, unit, width, *, names=False, spark=True, height=4, **defaults):
    """Large numbers; with `names` each with what it is of."""
    options = {
        "colorMode": "value",
        "graphMode": "area" if spark else "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "value_and_name" if names else "auto",
        "wideLayout": True,
    }
    defaults = {"color": {"mode": "thresholds"}} | defaults
    return panel("stat", title, description, queries, unit, (width, height), options=options, **defaults)


def lines(title, description, queries, unit, size, *, stack=False, bars=False, limits=False, fill=0, log=False, overrides=(), **defaults):
    """Values over time. With `limits` the thresholds are drawn as lines; with `log` twice and half are equally far from 1."""
    custom = {
        "axisBorderShow": False,
        "axisCenteredZero": False,
        "axisColorMode": "text",
        "axisLabel": "",
        "axisPlacement": "auto",
        "barAlignment": 0,
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 70 if bars else 35 if stack else fill,
        "gradientMode": "none",
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
        "insertNulls": False,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "pointSize": 4,
        "scaleDistribution": {"type": "log", "log": 2} if log else {"type": "linear"},
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stack else "none"},
        "thresholdsStyle": {"mode": "dashed" if limits else "off"},
    }
    options = {
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, description, queries, unit, size, options=options, custom=custom, overrides=overrides, **defaults)


def heatmap(title, description, queries, unit, size):
    """How values are spread over time."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "short", "decimals": 0},
        "color": {"mode": "scheme", "scheme": "Viridis", "reverse": False, "exponent": 0.5, "fill": BLUE, "steps": 64},
        "exemplars": {"color": RED},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "unit": unit, "reverse": False},
    }
    custom = {"hideFrom": {"legend": False, "tooltip": False, "viz": False}, "scaleDistribution": {"type": "linear"}}
    return panel("heatmap", title, description, queries, unit, size, options=options, custom=custom)


def timeline(title, description, queries, size, mappings):
    """States over time, a line for each."""
    options = {
        "alignValue": "left",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "mergeValues": True,
        "rowHeight": 0.85,
        "showValue": "auto",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    custom = {"fillOpacity": 80, "hideFrom": {"legend": False, "tooltip": False, "viz": False}, "lineWidth": 0}
    return panel("state-timeline", title, description, queries, "none", size, options=options, custom=custom, mappings=mappings, color={"mode": "thresholds"})


def column(name, expr=None, unit="short", **properties):
    """A column of a table: a label, or with `expr` the values of a query."""
    return {"name": name, "expr": expr, "unit": unit, "properties": properties}


def table(title, description, columns, size, *, sort=None, unit="short"):
    """A row for each set of labels. Columns with an expression are queries; the others are labels, in this order."""
    measured = [one for one in columns if one["expr"]]
    letters = {one["name"]: chr(ord("A") + n) for n, one in enumerate(measured)}
    names, order = {}, {}
    for place, one in enumerate(columns):
        # With one query its column has no letter; after merging all have.
        field = one["name"] if not one["expr"] else f"Value #{letters[one['name']]}" if len(measured) > 1 else "Value"
        order[field] = place
        if one["expr"]:
            names[field] = one["name"]
    transformations = [{"id": "merge", "options": {}}] if len(measured) > 1 else []
    transformations.append(
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "includeByName": {}, "indexByName": order, "renameByName": names}}
    )
    overrides = []
    for one in columns:
        properties = {"unit": one["unit"]} | one["properties"] if one["expr"] else one["properties"]
        if properties:
            overrides.append(override(one["name"], **properties))
    options = {"cellHeight": "sm", "frameIndex": 0, "showHeader": True, "sortBy": [{"displayName": sort, "desc": True}] if sort else []}
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False}
    made = panel(
        "table", title, description, [query(one["expr"], table=True) for one in measured], unit, size,
        options=options, custom=custom, overrides=overrides, color={"mode": "thresholds"},
    )
    made["transformations"] = transformations
    return made


#: Cells whose text has the colour of their value, or that are filled with it.
COLOURED = {"type": "color-text"}
FILLED = {"type": "color-background", "mode": "basic", "applyToRow": False}


def row(title, *panels, collapsed=False):
    """A titled part of a dashboard."""
    return {"title": title, "panels": panels, "collapsed": collapsed}


def place(panels, top):
    """Puts panels onto the grid from a line on, left to right; the first free line after them."""
    left, line, bottom = 0, top, top
    for one in panels:
        at = one["gridPos"]
        if left + at["w"] > 24:
            left, line = 0, bottom
        at.update(x=left, y=line)
        left += at["w"]
        bottom = max(bottom, line + at["h"])
    return bottom


def layout(*parts):
    """All panels of a dashboard: what is in no row first, then the rows. Panels get numbers as they come."""
    found, line, number = [], 0, 0
    for part in parts:
        if part["title"]:
            number += 1
            bar = {"id": number, "type": "row", "title": part["title"], "collapsed": part["collapsed"], "gridPos": {"h": 1, "w": 24, "x": 0, "y": line}, "panels": []}
            found.append(bar)
            line += 1
        for one in part["panels"]:
            number += 1
            one["id"] = number
        if part["collapsed"]:
            # Opened, they come under their row; closed, they take no room.
            place(part["panels"], line)
            bar["panels"] = list(part["panels"])
        else:
            line = place(part["panels"], line)
            found += part["panels"]
    return found
