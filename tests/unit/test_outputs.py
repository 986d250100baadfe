"""Recorded outputs end what they began."""

import pytest

from book.extensions.outputs import closed


@pytest.mark.parametrize(
    ("html", "added"),
    [
        ("<div><p>text</p></div>", ""),
        ("<div id='quiz'><style>a > b {}</style>", "</div>"),
        ("<div><section><b>text", "</b></section></div>"),
        ("<img src='a.png'><br>", ""),
        ("<ul><li>one<li>two</ul>", ""),
        ("<script>if (a < b) document.write('<div>')</script>", ""),
        ("</div>text", ""),
    ],
)
def test_what_is_left_open_is_closed_and_nothing_else(html: str, added: str) -> None:
    assert closed(html) == html + added
