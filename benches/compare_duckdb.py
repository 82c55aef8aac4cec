#!/usr/bin/env python3
"""Folds one export with finis and with DuckDB, in turn, and compares seconds and memory.

    pip install duckdb
    cargo build --release
    cargo bench --bench generate -- --sessions 1000000 --out export.jsonl
    python3 benches/compare_duckdb.py --export export.jsonl --finis target/release/finis

Three contestants, each run as a process of its own, one after another (A B C A B C ...), so that
a machine that grows warm or busy is so for all of them:

finis   `finis reconcile`: the whole fold, with verdicts, conflicts and rejects.
same    DuckDB doing the same grouping: distinct events, each field by authority and then by time,
        times of emission, channel, outcome, missing kinds, the events in order; sorted by session.
        It is spared what SQL has no short word for: conflicts, broken rules, deadlines, rejects,
        and that a variable written with other white space is the same variable.
lean    DuckDB doing the least that could be called this grouping: any value of each field, the
        greatest time, a count; neither sorted nor distinct. Its answer is wrong, and fast.

DuckDB is told the schema, and its clock starts after Python and the library are loaded; the clock
of finis covers its whole process. Peak memory is that of the process (of a Python that has loaded
DuckDB and does nothing: about 50 MiB). The export must hold bare payloads, not deliveries.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

# DuckDB is loaded by the children only: a child's peak begins with what its parent had in memory.

SCHEMA = """{
    event: 'VARCHAR', sessionId: 'VARCHAR', projectId: 'VARCHAR', timestamp: 'TIMESTAMP',
    currentNodeId: 'VARCHAR', messagesCount: 'BIGINT', extractedVariables: 'JSON',
    callStatus: 'VARCHAR', callDuration: 'BIGINT', success: 'BOOLEAN', recordingUrl: 'VARCHAR'
}"""

EVENTS = f"""
    FROM read_json($export, format = 'newline_delimited', columns = {SCHEMA}, ignore_errors = true)
    WHERE sessionId IS NOT NULL
"""

# Of several forms with the same answer this was the fastest in DuckDB 2.0: keys as integers, not as
# structs or text; `list(DISTINCT)`, not `list_distinct` or `SELECT DISTINCT`. No winner depends on
# how often an event comes, so only the list of events has to be distinct.
SAME = f"""
COPY (
    WITH ranked AS (
        -- The winner has the greatest key: first by authority, then by time. Without a key, as
        -- events of an unknown kind are, a row has no say.
        SELECT *, epoch_us(timestamp) + 1000000000000000000 * CASE event
            WHEN 'session.finalized' THEN 4 WHEN 'call.ended' THEN 3
            WHEN 'session.ended' THEN 2 WHEN 'recording.ready' THEN 1 END AS key
        {EVENTS}
    ),
    sessions AS (
        SELECT
            sessionId AS session,
            arg_max(projectId, key) AS project_id,
            arg_max(currentNodeId, key) AS current_node_id,
            arg_max(messagesCount, key) AS messages_count,
            arg_max(extractedVariables, key) AS variables,
            arg_max(callStatus, key) AS call_status,
            arg_max(callDuration, key) AS call_duration_s,
            arg_max(success, key) AS recording_success,
            arg_max(recordingUrl, key) AS recording_url,
            max(timestamp) FILTER (event = 'session.ended') AS ended,
            max(timestamp) FILTER (event = 'call.ended') AS call_ended,
            max(timestamp) FILTER (event = 'session.finalized') AS finalized,
            max(timestamp) FILTER (event = 'recording.ready') AS recorded,
            -- `arg_max` skips a null, but not a struct that holds one: a finalized without a status
            -- makes the session one in text.
            arg_max({{'status': callStatus}}, key) FILTER (event = 'session.finalized') AS last_word,
            list_sort(list(DISTINCT {{'at': timestamp, 'kind': event}})) AS events
        FROM ranked GROUP BY sessionId
    )
    SELECT
        session,
        CASE WHEN finalized IS NOT NULL THEN if(last_word.status IS NULL, 'text', 'call')
             WHEN call_ended IS NOT NULL OR recorded IS NOT NULL THEN 'call'
             ELSE 'unknown' END AS channel,
        list_filter([
            if(ended IS NULL AND finalized IS NULL, 'session.ended', NULL),
            if(call_ended IS NULL AND finalized IS NULL AND channel = 'call', 'call.ended', NULL),
            if(finalized IS NULL, 'session.finalized', NULL)
        ], lambda kind: kind IS NOT NULL) AS missing,
        project_id, current_node_id, messages_count, variables, call_status, call_duration_s,
        strftime(ended, '%Y-%m-%dT%H:%M:%S.%gZ') AS ended_at,
        strftime(call_ended, '%Y-%m-%dT%H:%M:%S.%gZ') AS call_ended_at,
        strftime(finalized, '%Y-%m-%dT%H:%M:%S.%gZ') AS finalized_at,
        CASE WHEN call_status IS NULL THEN NULL
             WHEN call_status IN ('userHangup', 'agentHangup', 'Ended') THEN 'completed'
             WHEN call_status IN ('transferred', 'voicemail', 'busy') THEN call_status
             WHEN call_status = 'userRejected' THEN 'rejected'
             WHEN call_status IN ('userNoAnswer', 'agentNoAnswer') THEN 'no_answer'
             WHEN call_status IN ('errorTransferred', 'invalidNumber', 'sipTrunkFailure', 'error') THEN 'failed'
             ELSE 'unknown' END AS outcome,
        strftime(recorded, '%Y-%m-%dT%H:%M:%S.%gZ') AS recording_at,
        recording_success, recording_url,
        list_transform(events, lambda e:
            {{'kind': e.kind, 'at': strftime(e.at, '%Y-%m-%dT%H:%M:%S.%gZ')}}) AS events
    FROM sessions ORDER BY session
) TO $records (FORMAT JSON)
"""

LEAN = f"""
COPY (
    SELECT
        sessionId AS session, count(*) AS events, max(timestamp) AS at,
        any_value(projectId) AS project_id, any_value(currentNodeId) AS current_node_id,
        any_value(messagesCount) AS messages_count, any_value(extractedVariables) AS variables,
        any_value(callStatus) AS call_status, any_value(callDuration) AS call_duration_s,
        any_value(success) AS recording_success, any_value(recordingUrl) AS recording_url
    {EVENTS}
    GROUP BY sessionId
) TO $records (FORMAT JSON)
"""

QUERIES = {"same": SAME, "lean": LEAN}


class Run(NamedTuple):
    """What one run took. More than one: the median of each."""

    seconds: float
    peak_mib: float
    records: int


def main() -> None:
    options = read_options()
    if options.query:
        run_query(options)
        return
    size = options.export.stat().st_size
    warm(options.export)
    contestants = ["finis", "same", "lean"] if options.finis else ["same", "lean"]
    runs = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        records = Path(folder, "records.ndjson")
        for number in range(options.runs):
            for name in contestants:
                run = measure(name, options, records)
                runs[name].append(run)
                note(f"run {number + 1} of {name}: {run.seconds:.2f} s, {run.peak_mib:.0f} MiB")
    print_table({name: median(of_one) for name, of_one in runs.items()}, size, options)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--export", type=Path, required=True, help="payloads of Pathors, a line each")
    parser.add_argument("--finis", type=Path, help="the binary; without it only DuckDB is run")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for each contestant (default: all)")
    parser.add_argument("--runs", type=int, default=3, help="of each contestant (default: 3)")
    # How this script calls itself: one query, in a process of its own.
    parser.add_argument("--query", choices=QUERIES, help=argparse.SUPPRESS)
    parser.add_argument("--records", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def warm(export: Path) -> None:
    """Reads the export once, so that nobody has to be the first to fetch it from the disk."""
    with export.open("rb") as file:
        while file.read(1 << 20):
            pass


def measure(name: str, options: argparse.Namespace, records: Path) -> Run:
    """Runs one contestant once, and removes what it wrote."""
    started = time.perf_counter()
    process = subprocess.Popen(command(name, options, records), stdout=subprocess.PIPE)
    said = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"`{name}` failed with status {process.returncode}")
    if name in QUERIES:
        seconds = float(said)
    peak_kib = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    run = Run(seconds, peak_kib / 1024, count_lines(records))
    records.unlink()
    return run


def command(name: str, options: argparse.Namespace, records: Path) -> list[str]:
    if name == "finis":
        return [
            str(options.finis.absolute()), "reconcile", str(options.export), "--provider", "pathors",
            "--out", str(records), "--threads", str(options.threads),
        ]  # fmt: skip
    return [
        sys.executable, __file__, "--query", name, "--export", str(options.export),
        "--records", str(records), "--threads", str(options.threads),
    ]  # fmt: skip


def run_query(options: argparse.Namespace) -> None:
    """The child of DuckDB: runs one query and prints the seconds it took."""
    import duckdb

    started = time.perf_counter()
    # Order of insertion is no part of the job, and keeping it takes memory.
    settings = {"threads": options.threads, "preserve_insertion_order": False}
    with duckdb.connect(config=settings) as database:
        query = QUERIES[options.query]
        # COPY takes no parameters.
        for name, path in (("$export", options.export), ("$records", options.records)):
            query = query.replace(name, "'" + str(path).replace("'", "''") + "'")
        database.execute(query)
    print(time.perf_counter() - started)


def count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def median(runs: list[Run]) -> Run:
    return Run(*(statistics.median(column) for column in zip(*runs)))


def print_table(medians: dict[str, Run], size: int, options: argparse.Namespace) -> None:
    print(f"{size / 1e6:.0f} MB, {options.threads} threads, medians of {options.runs} runs")
    print()
    print(f"{'':8}{'seconds':>10}{'MB/s':>10}{'peak MiB':>10}{'records':>12}")
    for name, run in medians.items():
        speed = size / 1e6 / run.seconds
        print(f"{name:8}{run.seconds:10.2f}{speed:10.0f}{run.peak_mib:10.0f}{run.records:12.0f}")
    if "finis" not in medians:
        return
    print()
    finis = medians["finis"]
    for name in QUERIES:
        seconds = finis.seconds / medians[name].seconds
        peak = finis.peak_mib / medians[name].peak_mib
        print(f"finis / DuckDB ({name}): {seconds:.2f} of the seconds, {peak:.2f} of the memory")


def note(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
