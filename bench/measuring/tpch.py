"""The 22 queries of TPC-H as the views of one pipeline, and data of any scale factor, generated on the spot."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pyarrow as pa

import lester_duck as ld
from lester_duck.pipeline.model import View

PIPELINE = Path(__file__).resolve().parents[1] / "pipelines" / "tpch"


def generate(folder: Path, scale: float) -> None:
    """Write the eight tables as Parquet files into ``folder``."""
    program = Path(sysconfig.get_path("scripts")) / "tpchgen-cli"
    subprocess.run([program, "parquet", "--scale-factor", str(scale), "--output-dir", folder, "--quiet"], check=True)


def plain(run: ld.Run, view: View) -> pa.Table:
    """What DuckDB answers to the text of a view over the sources, in the order the text asks for."""
    return run.sql(view.sql).to_arrow_table()
