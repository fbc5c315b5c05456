"""German is complete, keeps its placeholders, and is what the window speaks when asked."""

import ast
import re
from pathlib import Path

import pytest
from PyQt6.QtCore import QCoreApplication
from PyQt6.QtWidgets import QApplication

from app import translation
from app.preferences import LANGUAGES

APP = Path(translation.__file__).parent
GERMAN = translation.read(translation.FOLDER / "de.ts")


def english() -> set[tuple[str, str]]:
    """(context, text) of everything in the program that asks to be translated."""
    found = set()
    for path in APP.glob("*.py"):
        for owner, node in walk(ast.parse(path.read_text(encoding="utf-8")), ""):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            texts = [part.value for part in node.args if isinstance(part, ast.Constant)]
            if name == "tr" and texts:
                found.add((owner, str(texts[0])))
            elif name in ("translate", "QT_TRANSLATE_NOOP") and len(texts) > 1:
                found.add((str(texts[0]), str(texts[1])))
    return found


def walk(tree: ast.AST, owner: str) -> list[tuple[str, ast.Call]]:
    calls = []
    for node in ast.iter_child_nodes(tree):
        inside = node.name if isinstance(node, ast.ClassDef) else owner
        calls += [(inside, node)] if isinstance(node, ast.Call) else []
        calls += walk(node, inside)
    return calls


def test_every_sentence_is_translated() -> None:
    assert len(english()) > 100
    assert english() - set(GERMAN) == set()


def test_no_translation_is_left_of_what_the_program_no_longer_says() -> None:
    assert set(GERMAN) - english() == set()


@pytest.mark.parametrize("key", sorted(GERMAN))
def test_placeholders_survive(key: tuple[str, str]) -> None:
    for form in GERMAN[key]:
        assert sorted(re.findall(r"{\w+}", form)) == sorted(re.findall(r"{\w+}", key[1]))


def test_every_language_that_can_be_chosen_is_there_and_names_itself() -> None:
    languages = set(LANGUAGES) - {"system"}
    assert languages == {translation.UNTRANSLATED} | {path.stem for path in translation.FOLDER.glob("*.ts")}
    assert {translation.native_name(language) for language in languages} == {"English", "Deutsch"}


def test_the_window_speaks_german(qapp: QApplication) -> None:
    translator = translation.FileTranslator(translation.FOLDER / "de.ts")
    qapp.installTranslator(translator)
    try:
        assert QCoreApplication.translate("Bar", "Record") == "Aufnehmen"
        assert QCoreApplication.translate("Bar", "Not in the program") == "Not in the program"
    finally:
        qapp.removeTranslator(translator)
