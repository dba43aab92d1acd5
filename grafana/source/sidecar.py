"""The sidecar itself: does opwatch take in, keep, judge and show everything, and what does it cost."""

from frame import dashboard
from panels import GREEN, ORANGE, RED, column, lines, query, row, stat, steps, table, words
from queries import TARGET, beside, increase, rate, total

UID = "opwatch-sidecar"
POD = "{{instance}}"
NEAR = steps((0.8, ORANGE), (1, RED))


def gauge(metric):
    """A gauge of the chosen targets."""
    return f"{metric}{{{TARGET}}}"


def stats():
    """The line at the top."""
    memory = f"max({gauge('opwatch_store_memory_bytes')} / {gauge('opwatch_store_memory_capacity_bytes')})"
    return row(
        "",
        stat(
            "Up", "Sidecars that answer Prometheus, as a share of those expected: targets that have shown opwatch's metrics within the range.",
            [query(f"avg({beside(gauge('up'))})", instant=True)], "percentunit", 3, spark=False, decimals=0, thresholds=steps((0, RED), (1, GREEN), base=RED),
        ),
        stat("Version", "Builds that run, and on how many pods.", [query(f"count by (version) ({gauge('opwatch_build_info')})", "{{version}}", instant=True)], "none", 4, names=True, spark=False),
        stat(
            "Configuration", "Whether the last attempt to read the configuration was good on all pods. After a bad one the earlier configuration stays in use.",
            [query(f"min({gauge('opwatch_config_last_reload_successful')})", instant=True)], "none", 3, spark=False,
            mappings=words(_1=("good", GREEN), _0=("rejected", RED)), thresholds=steps((0, RED), (1, GREEN), base=RED),
        ),
        stat(
            "Configuration read", "How long ago the configuration in use was read, on the pod where that is longest.",
            [query(f"time() - min({gauge('opwatch_config_last_reload_success_timestamp_seconds')})", instant=True)], "s", 3, spark=False, decimals=0,
        ),
        stat(
            "Store", "Degraded: a pod cannot write to its disk, and what it takes in is in memory alone.",
            [query(f"max({gauge('opwatch_store_degraded')})", instant=True)], "none", 3, spark=False,
            mappings=words(_0=("on disk", GREEN), _1=("degraded", RED)), thresholds=steps((1, RED)),
        ),
        stat("Memory of the store", "What the store holds as a share of what it may, on the fullest pod.", [query(memory)], "percentunit", 4, decimals=0, thresholds=NEAR),
        stat("Youngest start", "How long ago the pod that started last did so.", [query(f"time() - max({gauge('opwatch_start_time_seconds')})", instant=True)], "s", 4, spark=False, decimals=0),
    )


def ingest():
    """What comes in."""
    return row(
        "Ingest",
        lines("Records", "Records received each second: accepted, duplicates, which count once, and rejected.", [query(total(rate("opwatch_ingest_records_total", TARGET), "result"), "{{result}}")], "ops", (6, 7), stack=True, min=0),
        lines(
            "Rejected and late", "Records rejected each second by reason; `future` means that the clocks of client and sidecar differ. Late ones, more than an hour old, are accepted.",
            [query(total(rate("opwatch_ingest_rejected_total", TARGET), "reason"), "{{reason}}"), query(total(rate("opwatch_ingest_late_total", TARGET)), "late")], "ops", (6, 7), min=0,
        ),
        lines(
            "Refused requests", "Requests answered with 429 each second by reason: clients that do not try again lose what was in them.",
            [query(total(rate("opwatch_ingest_refused_total", TARGET), "reason"), "{{reason}}")], "reqps", (6, 7), min=0,
        ),
        lines(
            "Queue and memory in flight", "What waits to be taken in, and memory that requests in flight hold, as a share of what may; on the fullest pod.",
            [
                query(f"max({gauge('opwatch_ingest_queue_length')} / {gauge('opwatch_ingest_queue_capacity')})", "queue"),
                query(f"max({gauge('opwatch_ingest_in_flight_bytes')} / {gauge('opwatch_ingest_in_flight_capacity_bytes')})", "memory in flight"),
            ],
            "percentunit", (6, 7), min=0, thresholds=NEAR,
        ),
    )


def cardinality():
    """How many series."""
    return row(
        "Cardinality",
        lines(
            "Series and memory", "Series held as a share of those that are kept apart, beyond which new ones share overflow series; and memory of the store as a share of what it may hold, beyond which history is given up.",
            [
                query(f"{gauge('opwatch_series')} / {gauge('opwatch_series_capacity')}", POD + " series"),
                query(f"{gauge('opwatch_store_memory_bytes')} / {gauge('opwatch_store_memory_capacity_bytes')}", POD + " memory"),
            ],
            "percentunit", (12, 7), min=0, limits=True, thresholds=NEAR,
        ),
        lines(
            "Overflow", "Records put into overflow series, scores not kept because there were too many names, and idle series removed to make room, in each step.",
            [
                query(total(increase("opwatch_series_overflow_total", TARGET)), "records in overflow series"),
                query(total(increase("opwatch_store_scores_dropped_total", TARGET)), "scores dropped"),
                query(total(increase("opwatch_series_evicted_total", TARGET)), "series removed"),
            ],
            "none", (12, 7), bars=True, min=0, decimals=0,
        ),
    )


def store():
    """What is kept."""
    lost = (
        ("opwatch_store_history_rows_dropped_total", "runs dropped for memory"),
        ("opwatch_store_buckets_dropped_total", "buckets dropped for memory"),
        ("opwatch_store_uncommitted_measurements_total", "in memory alone"),
        ("opwatch_store_set_aside_total", "unreadable, set aside"),
        ("opwatch_store_dropped_events_total", "events dropped for disk"),
    )
    return row(
        "Store",
        lines("Disk", "What the database of each pod holds; nothing with `data_dir: none`.", [query(gauge("opwatch_store_disk_bytes"), POD)], "bytes", (8, 7), min=0),
        lines(
            "Time to disk", "Mean time that a transaction takes to reach the disk.",
            [query(f"{rate('opwatch_store_commit_seconds_total', TARGET)} / {rate('opwatch_store_commits_total', TARGET)}", POD)], "s", (8, 7), min=0,
        ),
        lines(
            "Lost or failed", "What the store gave up or could not read, transactions that failed, and baselines, silences and maintenance that came back from their files, in each step.",
            [
                *(query(total(increase(metric, TARGET)), name) for metric, name in lost),
                query(total(increase("opwatch_store_failures_total", TARGET)), "transactions failed"),
                query(total(increase("opwatch_store_restored_baselines_total", TARGET)), "baselines restored"),
                query(total(increase("opwatch_store_restored_silences_total", TARGET)), "silences restored"),
                query(total(increase("opwatch_store_restored_maintenance_total", TARGET)), "maintenance restored"),
            ],
            "none", (8, 7), bars=True, stack=True, min=0, decimals=0,
        ),
    )


def process():
    """What the process uses of the machine."""
    return row(
        "Process",
        lines(
            "Memory of opwatch", "Resident memory of each pod's opwatch; an idle one has about 12 MiB.",
            [query(beside(gauge("process_resident_memory_bytes")), POD)], "bytes", (6, 7), min=0,
        ),
        lines(
            "CPU of opwatch", "Cores that each pod's opwatch uses.",
            [query(beside(rate("process_cpu_seconds_total", TARGET)), POD)], "short", (6, 7), min=0,
        ),
        lines(
            "Open files", "Files and connections that opwatch has open, as a share of those it may have, on each pod.",
            [query(beside(f"({gauge('process_open_fds')} / {gauge('process_max_fds')})"), POD)], "percentunit", (6, 7), min=0,
        ),
        lines(
            "Connections", "Connections being served, by listener.",
            [query(f"sum by (listener) ({gauge('opwatch_http_connections')})", "{{listener}} open"), query(total(rate("opwatch_http_connections_accepted_total", TARGET), "listener"), "{{listener}} new each second")], "short", (6, 7), min=0,
        ),
    )


def http():
    """What it listens on, and the page that Prometheus reads."""
    faults = (
        ("opwatch_http_connections_refused_total", "refused"),
        ("opwatch_http_connections_evicted_total", "idle ones closed"),
        ("opwatch_http_timeouts_total", "too slow"),
        ("opwatch_http_accept_errors_total", "not accepted by the system"),
        ("opwatch_http_panics_total", "panics"),
    )
    return row(
        "HTTP and scrapes",
        lines(
            "Trouble with clients", "Connections refused or closed and clients given up on, by listener, in each step. A panic is a defect of opwatch.",
            [query(total(increase(metric, TARGET), "listener"), "{{listener}} " + name) for metric, name in faults], "none", (6, 7), bars=True, stack=True, min=0, decimals=0,
        ),
        lines("Time of a scrape", "How long Prometheus waited for /metrics.", [query(beside(gauge("scrape_duration_seconds")), POD)], "s", (6, 7), min=0),
        lines("Samples of a scrape", "Samples that /metrics had; a page that keeps growing has a label with ever new values.", [query(beside(gauge("scrape_samples_scraped")), POD)], "short", (6, 7), min=0),
        lines("Threads of opwatch", "Threads of each pod's opwatch.", [query(beside(gauge("process_threads")), POD)], "none", (6, 7), min=0, decimals=0),
        collapsed=True,
    )


def troubleshooting():
    """Less often needed."""
    capacities = (
        ("Series", "opwatch_series_capacity", "short"),
        ("Store memory", "opwatch_store_memory_capacity_bytes", "bytes"),
        ("In flight", "opwatch_ingest_in_flight_capacity_bytes", "bytes"),
        ("Queue", "opwatch_ingest_queue_capacity", "short"),
    )
    by = "instance"
    return row(
        "Troubleshooting",
        table(
            "Limits in force", "What each pod may hold: how settings and the memory of its container turned out.",
            [column("instance"), *(column(name, f"max by ({by}) ({gauge(metric)})", unit) for name, metric, unit in capacities)], (12, 7),
        ),
        lines(
            "Restarts and clocks", "Starts of opwatch, and jumps of its clocks, in each step: set back, forward (or suspended), or a process that stood still.",
            [
                query(f"sum(changes({gauge('opwatch_start_time_seconds')}[$__rate_interval]))", "restarts"),
                query(total(increase("opwatch_clock_jumps_total", TARGET), "kind"), "clock {{kind}}"),
            ],
            "none", (6, 7), bars=True, min=0, decimals=0,
        ),
        lines(
            "Repeated", "Batches that clients sent again and that were answered as the first time, and ids forgotten early, whose repeats would count twice, in each step.",
            [query(total(increase("opwatch_ingest_batches_repeated_total", TARGET)), "batches repeated"), query(total(increase("opwatch_ingest_ids_evicted_total", TARGET)), "ids forgotten")], "none", (6, 7), bars=True, min=0, decimals=0,
        ),
        lines(
            "Readings of the watched process that failed", "By reason: there was none, or it may not be looked at.",
            [query(total(increase("opwatch_target_read_failures_total", TARGET), "reason"), "{{reason}}")], "none", (8, 7), bars=True, min=0, decimals=0,
        ),
        lines(
            "Learned from the log", "New rules with a detector learn from the log: how often it was read for them and how often that failed, detectors that go on with what they learned, and the blocks that they learned from, in each step.",
            [
                query(total(increase("opwatch_rule_backfill_runs_total", TARGET)), "readings"),
                query(total(increase("opwatch_rule_backfill_failures_total", TARGET)), "failed"),
                query(total(increase("opwatch_rule_backfill_detectors_total", TARGET)), "detectors"),
                query(total(increase("opwatch_rule_backfill_blocks_total", TARGET)), "blocks"),
            ],
            "none", (8, 7), bars=True, min=0, decimals=0,
        ),
        lines("Left out of the page", "Label sets left out of /metrics because they are ill-formed or occur twice.", [query(gauge("opwatch_exposition_omitted_series"), POD)], "none", (8, 7), min=0, decimals=0),
        lines("Threads of watched processes", "Threads of the watched process of each pod.", [query(gauge("opwatch_target_threads"), POD + " {{process}}")], "none", (8, 7), min=0, decimals=0),
        collapsed=True,
    )


def build(clusters):
    """The dashboard."""
    return dashboard(
        UID, "opwatch / Sidecar", "Whether opwatch itself takes in, keeps, judges and shows everything.",
        stats(), ingest(), cardinality(), store(), process(), http(), troubleshooting(), clusters=clusters, operations=False, baselines=False,
    )
