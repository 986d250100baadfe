"""Questions: each has an explanation for every answer, and plain text stays plain."""

from pathlib import Path

import pytest
import yaml

from sandboxes.errors import BadRequest
from sandboxes.view.quiz import questions

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "chapters").rglob("*/*.yml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_question_is_asked_on_its_page_and_explains_every_answer(path: Path) -> None:
    page = path.with_suffix(".md").read_text()
    for name in yaml.safe_load(path.read_text()):
        assert f'sb.view.quiz("{path.name}", "{name}")' in page
        for question in questions(path, name):
            right = [answer for answer in question["answers"] if answer["correct"]]
            assert len(question["answers"]) >= 3
            assert len(right) >= 1
            assert question["type"] == "many_choice" or len(right) == 1
            assert all(len(answer["feedback"]) > 20 for answer in question["answers"])


def test_text_is_escaped_and_backticks_become_code(tmp_path: Path) -> None:
    file = tmp_path / "q.yml"
    answers = [{"answer": "a <b>", "correct": True, "feedback": "x & y"}]
    file.write_text(yaml.safe_dump({"n": [{"question": "run `ps`?", "type": "multiple_choice", "answers": answers}]}))
    asked = questions(file, "n")[0]
    assert asked["question"] == "run <code>ps</code>?"
    assert asked["answers"][0]["answer"] == "a &lt;b&gt;"
    assert asked["answers"][0]["feedback"] == "x &amp; y"


@pytest.mark.parametrize(("file", "name"), [("none.yml", "x"), ("q.yml", "none")])
def test_what_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("q.yml").write_text("there: []\n")
    with pytest.raises(BadRequest):
        questions(Path(file), name)
