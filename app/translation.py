"""The window's language. Translations are read from their .ts files (Qt Linguist's XML) as they are.

Usually `lrelease` compiles them into .qm files first. PyQt6 does not contain that tool, and a compiled copy in the repository
grows stale; a few hundred sentences are read in some milliseconds.
"""

import xml.etree.ElementTree as ET
from pathlib import Path

from PyQt6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QObject, QTranslator

from app.icons import ASSETS

FOLDER = ASSETS / "translations"
UNTRANSLATED = "en"
"""The language of the sentences in the program itself."""


class FileTranslator(QTranslator):
    """Sentences of one .ts file. Of a plural, German-like: the first form is for one, the second for all other numbers."""

    def __init__(self, path: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.sentences = read(path)

    def translate(  # type: ignore[override]
        self, context: str | None, source: str | None, disambiguation: str | None = None, n: int = -1
    ) -> str | None:
        """None, which PyQt6's type hints forbid, tells Qt to ask the next translator; "" would be shown."""
        forms = self.sentences.get((context or "", source or ""))
        if not forms:
            return None
        return forms[0] if n in (-1, 1) or len(forms) == 1 else forms[1]

    def isEmpty(self) -> bool:  # noqa: N802, Qt's name
        return not self.sentences


def read(path: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """(context, English) -> translation, or its plural forms. What is not translated yet is left out."""
    sentences = {}
    for context in ET.parse(path).getroot().iter("context"):
        for message in context.iter("message"):
            translation = message.find("translation")
            if translation is None:
                continue
            forms = tuple(form.text or "" for form in translation.iter("numerusform")) or (translation.text or "",)
            if all(forms):
                sentences[(context.findtext("name") or "", message.findtext("source") or "")] = forms
    return sentences


def native_name(language: str) -> str:
    """What those who speak it call it: "Deutsch"."""
    # Qt calls English without a country American.
    return "English" if language == UNTRANSLATED else QLocale(language).nativeLanguageName().capitalize()


def install(application: QCoreApplication, language: str) -> None:
    """Makes the application speak `language`: "en", "de" or "system"."""
    if language == "system":
        language = QLocale.system().name().split("_")[0]
    QLocale.setDefault(QLocale(language))
    path = FOLDER / f"{language}.ts"
    if not path.exists():
        return
    of_qt = QTranslator(application)
    if of_qt.load(f"qtbase_{language}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
        application.installTranslator(of_qt)
    application.installTranslator(FileTranslator(path, application))
