"""The capture stays out of the user's way: no import, no error, no trace, nothing kept alive."""

from __future__ import annotations

import struct
from binascii import a2b_base64
from typing import Any

import pytest

from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.protocol.outputs import CHART_MIME, DisplayOutput, ResultOutput, StreamOutput
from tests.kernel.conftest import MakeSession

SECONDS = 120.0


async def printed(session: KernelSession, code: str) -> str:
    execution = await session.execute(code, timeout=SECONDS)
    assert execution.error is None, execution.error
    texts = [output.text for output in execution.outputs if isinstance(output, StreamOutput)]
    return "".join(texts).strip()


async def charts(session: KernelSession, code: str) -> list[dict[str, Any]]:
    """Run a cell and return the data of the figures that it shows; each must have its picture."""
    execution = await session.execute(code, timeout=SECONDS)
    assert execution.error is None, execution.error
    shown = [o for o in execution.outputs if isinstance(o, DisplayOutput | ResultOutput)]
    shown = [output for output in shown if "image/png" in output.data]
    found: list[dict[str, Any]] = []
    for output in shown:
        chart = output.data[CHART_MIME]
        assert isinstance(chart, dict)
        found.append(chart)
    return found


async def test_nothing_is_imported_for_the_user(plain_session: KernelSession) -> None:
    code = "import sys\nprint([n for n in ('matplotlib', 'numpy', 'pandas') if n in sys.modules])"
    assert await printed(plain_session, code) == "[]"
    code = "import matplotlib.pyplot\nprint('_analyst_charts' in sys.modules)"
    assert await printed(plain_session, code) == "False"


async def test_what_has_no_figure_has_no_chart(session: KernelSession) -> None:
    execution = await session.execute(
        "import matplotlib.pyplot as plt, numpy\nplt.figure(); plt.show()\n[numpy.arange(3), plt]",
        timeout=SECONDS,
    )
    assert len(execution.outputs) == 2
    for output in execution.outputs:
        assert isinstance(output, DisplayOutput | ResultOutput)
        assert list(output.data) == ["text/plain"]


async def test_a_figure_as_last_expression_and_displayed_by_hand(session: KernelSession) -> None:
    found = await charts(
        session,
        "import matplotlib.pyplot as plt\nfrom IPython.display import display\n"
        "fig, ax = plt.subplots(); ax.plot([1, 2], [3, 4]); plt.close(fig)\ndisplay(fig)\nfig",
    )
    assert [chart["type"] for chart in found] == ["line", "line"]


async def test_figures_come_in_order_and_each_once(session: KernelSession) -> None:
    found = await charts(
        session,
        "import matplotlib.pyplot as plt\n"
        "plt.bar(['a'], [1]); plt.show()\nplt.scatter([1], [2]); plt.show()\nplt.pie([1, 2]);",
    )
    assert [chart["type"] for chart in found] == ["bar", "scatter", "pie"]


@pytest.mark.parametrize(
    "trap",
    [
        "ax.get_xlabel = lambda: 1 / 0",
        "ax.get_legend = lambda: 1 / 0",
        "import warnings; warnings.simplefilter('error')",
        "import sys; sys.modules['_analyst_charts.figures'].read_panel = None",
        "import sys; sys.modules['_analyst_charts.figures'].read_figure = None",
        "import sys; sys.modules['_analyst_chart_capture'].records.clear()",
    ],
)
async def test_nothing_that_goes_wrong_reaches_the_cell(session: KernelSession, trap: str) -> None:
    ready = "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()"
    await charts(session, ready)
    (chart,) = await charts(session, f"fig, ax = plt.subplots(); ax.hist([1, 2, 3])\n{trap}")
    if "=" in trap:
        assert chart["type"] == "unknown"
        assert "could not be read" in chart["warnings"][0]
        assert "could not be read" in chart["alt"]
    else:
        assert chart["type"] == "histogram"


async def test_an_error_of_the_user_is_shown_as_theirs(session: KernelSession) -> None:
    execution = await session.execute(
        "import matplotlib.pyplot as plt\nplt.hist([1, 2], bins=-3)", timeout=SECONDS
    )
    assert execution.error is not None
    assert execution.error.name == "ValueError"
    assert execution.error.line == 2


async def test_wrapped_methods_look_like_themselves(session: KernelSession) -> None:
    code = (
        "import inspect, matplotlib.pyplot as plt\n"
        "from matplotlib.axes import Axes\n"
        "print(Axes.hist.__name__, Axes.hist.__doc__[:20].split()[0],"
        " list(inspect.signature(Axes.hist).parameters)[:3])"
    )
    assert await printed(session, code) == "hist Compute ['self', 'x', 'bins']"


async def test_closed_figures_are_not_kept_alive(session: KernelSession) -> None:
    code = (
        "import gc, weakref, matplotlib.pyplot as plt\n"
        "fig, ax = plt.subplots(2, 2)\n"
        "ax[0, 0].hist([1, 2]); ax[0, 1].boxplot([1, 2]); ax[1, 0].pie([1, 2])\n"
        "ax[1, 1].violinplot([1, 2, 3])\n"
        "seen = weakref.ref(fig); plt.show(); plt.close('all'); del fig, ax\n"
        "gc.collect()\nimport sys\n"
        "print(seen() is None, len(sys.modules['_analyst_chart_capture'].records))"
    )
    assert await printed(session, code) == "True 0"


async def test_a_figure_is_not_changed(session: KernelSession) -> None:
    code = (
        "import io, matplotlib.pyplot as plt, sys\n"
        "fig, ax = plt.subplots(); ax.bar(['a', 'b'], [1, 2], yerr=1, label='x'); ax.legend()\n"
        "def drawn():\n"
        "    stream = io.BytesIO(); fig.savefig(stream, format='raw'); return stream.getvalue()\n"
        "before = drawn(); children = len(ax.get_children())\n"
        "sys.modules['_analyst_chart_capture'].chart_of(fig)\n"
        "print(drawn() == before, len(ax.get_children()) == children); plt.close(fig)"
    )
    assert await printed(session, code) == "True True"


async def test_pictures_have_our_resolution_unless_the_cell_chose_one(
    session: KernelSession,
) -> None:
    widths = []
    for chosen in ("", "%matplotlib inline\n", "plt.rcParams['figure.dpi'] = 50\n"):
        execution = await session.execute(
            f"import matplotlib.pyplot as plt\n{chosen}fig = plt.figure(figsize=(4, 2))\n"
            "ax = fig.add_axes([0, 0, 1, 1]); ax.plot([1, 2]); plt.show()",
            timeout=SECONDS,
        )
        (output,) = [o for o in execution.outputs if isinstance(o, DisplayOutput)]
        picture = a2b_base64(str(output.data["image/png"]))
        widths.append(struct.unpack(">I", picture[16:20])[0])
    assert widths[0] == widths[1] > 2 * widths[2]


async def test_plotly_and_altair_show_their_own_specification(session: KernelSession) -> None:
    execution = await session.execute(
        "import plotly.express as px\npx.bar(x=['a', 'b'], y=[1, 2]).show()\n"
        "import altair as alt, pandas as pd\n"
        "alt.Chart(pd.DataFrame({'x': [1], 'y': [2]})).mark_point().encode(x='x', y='y')",
        timeout=SECONDS,
    )
    assert execution.error is None, execution.error
    plotly, altair = execution.outputs
    assert isinstance(plotly, DisplayOutput)
    assert "application/vnd.plotly.v1+json" in plotly.data
    assert isinstance(altair, ResultOutput)
    # The newest name that JupyterLab draws.
    assert isinstance(spec := altair.data["application/vnd.vegalite.v5+json"], dict)
    assert str(spec["$schema"]).endswith("/v5.json")


async def test_a_kernel_with_pandas_2_captures_too(
    make_session: MakeSession, pandas2_kernel: str
) -> None:
    session = make_session(kernel_name=pandas2_kernel)
    await session.start()
    (chart,) = await charts(
        session,
        "import pandas as pd\n"
        "days = pd.date_range('2024-01-30', periods=3)\n"
        "ax = pd.DataFrame({'a': [1, 2, 3]}, index=days).plot()",
    )
    assert chart["elements"][0]["points"] == [
        ["2024-01-30", 1],
        ["2024-01-31", 2],
        ["2024-02-01", 3],
    ]
