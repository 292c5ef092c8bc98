"""The demo as a user runs it, and what its picture shows."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.patches import StepPatch

from spikeglm import _demo
from spikeglm.__main__ import main


def run_python(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, run_python("-m", "spikeglm", "demo", "--output", "picture.png", cwd=folder)


@pytest.fixture(scope="module")
def fits():
    cell = _demo.load_place_cell()
    return cell, _demo.fit_published(cell), _demo.fit_extended(cell)


@pytest.fixture(scope="module")
def figure(fits):
    cell, published, extended = fits
    figure = _demo.draw(cell, published[-1], extended[-1])
    figure.canvas.draw()
    return figure


def test_demo_meets_the_published_values(demo_run):
    _, run = demo_run
    assert run.stderr == ""
    assert run.returncode == 0
    assert "DIFFERS" not in run.stdout
    for fitted in (
        ["-7.438887", "0.012943", "3344.791"],
        ["-26.279057", "0.690114", "-0.005463", "2708.776", "636.015"],
        ["-28.870275", "0.688905", "-0.005452", "3.275282", "233.869"],
    ):
        for number in fitted:
            assert re.search(rf"{re.escape(number)}\s+{re.escape(number)}  ok$", run.stdout, re.M)
    assert run.stdout.count("  ok\n") == 13


def test_demo_compares_the_models(demo_run):
    _, run = demo_run
    rows = re.findall(r"^(M2|M3|M4|S1|S2) .*(inside|outside)$", run.stdout, re.M)
    assert [name for name, _ in rows] == ["M2", "M3", "M4", "S1", "S2"]
    assert [verdict for _, verdict in rows] == ["outside"] * 2 + ["inside"] * 3
    assert "Ridge of strength 3e-06" in run.stdout


def test_demo_writes_only_the_picture(demo_run):
    folder, run = demo_run
    assert "Picture written to picture.png" in run.stdout
    assert [path.name for path in folder.iterdir()] == ["picture.png"]
    header = (folder / "picture.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(header[16:20]), int.from_bytes(header[20:24])) == (1650, 540)


def test_demo_without_matplotlib_prints_the_tables(tmp_path):
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from spikeglm.__main__ import main\n"
        "sys.exit(main(['demo', '--output', 'picture.png']))"
    )
    run = run_python("-c", program, cwd=tmp_path)
    assert run.stderr == ""
    assert run.returncode == 0
    assert 'pip install "spikeglm[plot]"' in run.stdout
    assert run.stdout.count("  ok\n") == 13
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("no/such/picture.png", r"folder .*such does not exist"),
        ("picture.docx", r"must end in \.png, \.pdf, \.svg; got picture\.docx"),
    ],
)
def test_bad_output_is_refused_before_any_work(output, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["demo", "--output", output])
    captured = capsys.readouterr()
    assert exit_.value.code == 2
    assert re.search(message, captured.err)
    assert captured.out == ""


def test_info_prints_the_configuration(capsys):
    assert main(["info"]) == 0
    assert capsys.readouterr().out.strip()


def test_a_published_value_that_is_missed_is_flagged(fits, monkeypatch, capsys):
    cell, published, _ = fits
    off = _demo.PUBLISHED["M2"]._replace(coefficients=(-7.438888, 0.012943))
    monkeypatch.setitem(_demo.PUBLISHED, "M2", off)
    assert _demo._print_published(published, cell) is False
    assert capsys.readouterr().out.count("DIFFERS") == 1


def test_extended_models_are_better_on_held_out_time(fits):
    cell, published, extended = fits
    rows = slice(_demo.HISTORY_WINDOW, None)
    held_out = [
        _demo.bits_per_spike(cell.spike_counts[rows], _demo._held_out_rate(fit, cell)[rows])
        for fit in (published[-1], *extended)
    ]
    np.testing.assert_allclose(held_out, [2.885, 3.394, 3.411], atol=0.002)


def test_picture_has_three_labelled_axes(figure):
    assert [(ax.get_title("left"), ax.get_xlabel(), ax.get_ylabel()) for ax in figure.axes] == [
        ("Place field", "position on the track (cm)", "rate (spikes/s)"),
        ("Spike history", "time since a spike (ms)", "rate multiplier"),
        ("Time rescaling", "model CDF of rescaled intervals", "empirical CDF"),
    ]


def test_picture_place_field(figure, fits):
    cell, _, _ = fits
    ax = figure.axes[0]
    towards_end, towards_start, gaussian = ax.lines
    assert [to_hex(line.get_color()) for line in ax.lines[:2]] == ["#0072b2", "#d55e00"]
    assert 25 < towards_end.get_ydata().max() < 40
    assert towards_start.get_ydata().max() < 1
    assert gaussian.get_xdata()[np.argmax(gaussian.get_ydata())] == pytest.approx(63.18, abs=0.3)
    bars = [patch for patch in ax.patches if isinstance(patch, StepPatch)]
    assert len(bars) == 2
    values, edges, _ = bars[0].get_data()
    inside = (cell.direction == 1) & (cell.position >= edges[15]) & (cell.position < edges[16])
    expected = cell.spike_counts[inside].sum() / (inside.sum() * 0.001)
    assert values[15] == pytest.approx(expected, rel=1e-12)
    assert len(ax.get_legend().get_texts()) == 3


def test_picture_history(figure):
    baseline, multiplier = figure.axes[1].lines
    assert list(baseline.get_ydata()) == [1, 1]
    assert multiplier.get_xdata().tolist() == list(range(1, 151))
    # Few spikes follow within 10 ms of a spike, and at the end of the window it is forgotten.
    assert 0.4 < multiplier.get_ydata()[:10].min() < 0.7
    assert multiplier.get_ydata()[-1] == pytest.approx(1, abs=1e-6)


def test_picture_time_rescaling(figure):
    ax = figure.axes[2]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "95 % band",
        "M4, published",
        "S2, splines and history",
    ]
    assert sum(isinstance(c, PolyCollection) for c in ax.collections) == 1
    _, published, full = ax.lines
    assert full.get_xdata().size == published.get_xdata().size == 222
