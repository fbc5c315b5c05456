"""The window as a person uses it, with a session that plays without a network."""

import gc
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PyQt6.QtCore import QEvent, QMimeData, QPointF, Qt, QTimer, QUrl
from PyQt6.QtGui import QDropEvent, QGuiApplication
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QDialog, QToolButton, QWidget

from app.dialogs import ErrorDialog
from app.failures import FailureReporter
from app.shortcuts import SHORTCUTS, ShortcutsSheet
from engine.errors import SinkError
from engine.live import EventKind, SessionState

OpenDesk = Callable[..., object]


def press(window: QWidget, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window, 10_000)
    QTest.keyClick(window, key, modifier)


def in_next_dialog(act: Callable[[QDialog], None]) -> None:
    """Does something in the modal dialog that opens next, and closes it."""

    def when_open() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QDialog):
            QTimer.singleShot(20, when_open)
            return
        try:
            act(dialog)
        finally:
            dialog.done(0)

    QTimer.singleShot(0, when_open)


class TestFirstStart:
    def test_without_a_camera_the_demo_plays_with_the_smallest_size(self, open_desk) -> None:
        desk = open_desk()
        assert desk.session.options.source == "demo"
        assert desk.session.options.size == "xs"
        assert desk.window.bar.source.currentText() == "Demo clip"
        assert desk.window.bar.size_picker.currentText() == "XS"

    def test_with_cameras_the_first_one_is_shown(self, open_desk) -> None:
        desk = open_desk(cameras=("Front", "Desk"))
        assert desk.session.options.source == "camera:Front"
        assert desk.window.bar.source.currentText() == "Front"

    def test_until_the_first_picture_a_card_tells_the_steps(self, open_desk) -> None:
        desk = open_desk(picture=False)
        assert desk.window.stage.card.isVisible()
        desk.bot.waitUntil(lambda: not desk.window.stage.card.isVisible(), timeout=10_000)

    def test_the_last_source_is_used_again(self, open_desk) -> None:
        desk = open_desk("version: 1\nsource: camera:Desk\n", cameras=("Front", "Desk"))
        assert desk.session.options.source == "camera:Desk"

    def test_a_broken_preferences_file_is_told_and_does_not_hinder(self, open_desk) -> None:
        desk = open_desk("version: [1")
        assert any("set aside" in toast.text for toast in desk.window.stage.toasts)
        assert desk.window.stage.picture is not None


class TestPicture:
    def test_frames_are_painted_and_reported_to_the_session(self, open_desk) -> None:
        desk = open_desk()
        desk.bot.waitUntil(lambda: len(desk.session.shown) > 5, timeout=10_000)
        indices = [frame.index for frame in desk.session.shown]
        assert indices == sorted(set(indices))

    def test_a_camera_is_mirrored_and_a_file_is_not(self, open_desk) -> None:
        desk = open_desk(cameras=("Front",))
        left, right = halves(desk)
        assert right > left  # the fake's left half is white
        desk.window.source_choice.open("clip.mp4")
        desk.bot.waitUntil(lambda: halves(desk)[0] > halves(desk)[1], timeout=10_000)

    def test_blurred_faces_are_shown_only_in_frames_with_their_own_poses(self, open_desk) -> None:
        desk = open_desk()
        old = desk.session.latest()
        desk.session.latest = lambda: old
        desk.bot.waitUntil(lambda: desk.window.stage.picture.frame.index > old.frame.index + 3, timeout=10_000)
        press(desk.window, Qt.Key.Key_U)
        desk.bot.waitUntil(lambda: desk.window.stage.picture.frame is old.frame, timeout=10_000)

    def test_privacy_leaves_nothing_of_the_picture(self, open_desk) -> None:
        desk = open_desk()
        desk.window.rail.buttons["skeleton"].click()
        press(desk.window, Qt.Key.Key_P)
        desk.bot.waitUntil(lambda: desk.window.stage.picture.pixels[..., :3].max() == 0, timeout=10_000)

    def test_skeletons_can_be_hidden(self, open_desk) -> None:
        desk = open_desk()
        assert coloured(desk)
        press(desk.window, Qt.Key.Key_K)
        desk.bot.waitUntil(lambda: not coloured(desk), timeout=10_000)

    @pytest.mark.parametrize("name", ["boxes", "ids", "trails", "heatmap", "face_blur"])
    def test_every_overlay_can_be_switched(self, open_desk, name: str) -> None:
        desk = open_desk()
        desk.window.rail.buttons[name].click()
        assert getattr(desk.store.current.overlays, name)
        shown = len(desk.session.shown)
        desk.bot.waitUntil(lambda: len(desk.session.shown) > shown + 3, timeout=10_000)
        desk.window.rail.buttons[name].click()
        assert not getattr(desk.store.current.overlays, name)

    def test_the_statistics_on_the_picture_follow_the_switches(self, open_desk) -> None:
        from app import readout

        desk = open_desk()
        desk.bot.waitUntil(lambda: desk.window.figures.statistics.people == 1, timeout=10_000)
        overlays = desk.store.current.overlays
        assert [value for value, _ in readout.lines(desk.window.figures.statistics, overlays)] == ["50", "24", "1", "3"]
        desk.window.rail.toggled.emit("statistics", False)
        desk.store.change(fps=False, drops=False)
        overlays = desk.store.current.overlays
        assert [value for value, _ in readout.lines(desk.window.figures.statistics, overlays)] == ["24", "1"]

    def test_full_screen_shows_the_picture_alone(self, open_desk) -> None:
        desk = open_desk()
        press(desk.window, Qt.Key.Key_F)
        assert desk.window.isFullScreen()
        assert not desk.window.bar.isVisible()
        assert not desk.window.timeline.isVisible()
        press(desk.window, Qt.Key.Key_Left)
        desk.wait_asked("seek", 0.0)
        press(desk.window, Qt.Key.Key_Escape)
        assert not desk.window.isFullScreen()
        assert desk.window.bar.isVisible()

    @pytest.mark.parametrize("size", [(480, 360), (1024, 600), (1920, 1080)])
    def test_the_picture_keeps_its_aspect_at_every_size(self, open_desk, size: tuple[int, int]) -> None:
        desk = open_desk()
        desk.window.resize(*size)
        desk.bot.waitUntil(lambda: desk.window.size().width() == size[0], timeout=10_000)
        area = desk.window.stage.picture_rectangle()
        assert area.width() / area.height() == pytest.approx(16 / 9, rel=0.02)
        assert desk.window.bar.record.isVisible()


class TestSizes:
    def test_the_old_size_shows_video_until_the_new_one_is_there(self, open_desk, weights) -> None:
        weights("s")
        desk = open_desk()
        press(desk.window, Qt.Key.Key_2)
        desk.wait_asked("switch_size", "s")
        desk.bot.waitUntil(lambda: desk.window.stage.banner.isVisible(), timeout=10_000)
        shown = len(desk.session.shown)
        desk.bot.waitUntil(lambda: len(desk.session.shown) > shown + 5, timeout=10_000)
        desk.store.change(measured_ms={"xs": 77.0})  # the old size goes on being timed
        assert desk.window.bar.size_picker.currentText() == "S"
        desk.session.finish_size("s")
        desk.bot.waitUntil(lambda: not desk.window.stage.banner.isVisible(), timeout=10_000)
        assert desk.window.bar.size_picker.currentText() == "S"
        assert desk.store.current.inference.size == "s"

    def test_a_failed_switch_is_told_and_the_old_size_stays(self, open_desk, weights) -> None:
        weights("s")
        desk = open_desk()
        desk.window.size_choice.choose("s")
        desk.wait_asked("switch_size", "s")
        desk.session.state = SessionState.RUNNING
        desk.session.tell(EventKind.WARNING, "S could not be built. The size before stays.")
        desk.bot.waitUntil(lambda: bool(desk.window.stage.toasts), timeout=10_000)
        assert desk.window.bar.size_picker.currentText() == "XS"
        assert desk.store.current.inference.size == "xs"

    def test_a_size_without_weights_is_disabled_and_says_how_to_get_it(self, open_desk) -> None:
        desk = open_desk()
        model = desk.window.bar.size_picker.model()
        row = desk.window.bar.size_picker.findData("l")
        assert not model.flags(model.index(row, 0)) & Qt.ItemFlag.ItemIsEnabled
        press(desk.window, Qt.Key.Key_4)
        assert any("import" in toast.text for toast in desk.window.stage.toasts)
        assert not desk.asked("switch_size")

    def test_a_remembered_size_whose_weights_are_gone_gives_way(self, open_desk) -> None:
        desk = open_desk("version: 1\ninference:\n  size: l\n")
        assert desk.session.options.size == "xs"
        assert any("no weights for size L" in toast.text for toast in desk.window.stage.toasts)

    def test_after_a_failure_another_size_starts_again(self, open_desk, weights) -> None:
        weights("s")
        desk = open_desk()
        desk.session.state = SessionState.FAILED
        desk.session.tell(EventKind.FAILURE, "XS cannot be loaded.")
        desk.bot.waitUntil(lambda: desk.window.stage.card.isVisible(), timeout=10_000)
        desk.window.size_choice.choose("s")
        desk.bot.waitUntil(lambda: desk.session.options.size == "s", timeout=10_000)
        desk.bot.waitUntil(lambda: desk.window.stage.picture is not None, timeout=10_000)

    def test_the_time_that_was_measured_here_is_shown_next_time(self, open_desk) -> None:
        desk = open_desk()
        desk.bot.waitUntil(lambda: "xs" in desk.store.current.measured_ms, timeout=10_000)
        picker = desk.window.bar.size_picker
        assert "13 ms here" in picker.itemData(picker.findData("xs"), int(Qt.ItemDataRole.UserRole) + 1)


class TestSources:
    def test_choosing_a_camera_switches_to_it(self, open_desk) -> None:
        desk = open_desk(cameras=("Front", "Desk"))
        picker = desk.window.bar.source
        picker.activated.emit(picker.findText("Desk"))
        desk.wait_asked("switch_source", "camera:Desk")
        desk.bot.waitUntil(lambda: desk.store.current.source == "camera:Desk", timeout=10_000)

    def test_a_file_that_cannot_be_opened_is_not_remembered(self, open_desk) -> None:
        desk = open_desk("version: 1\nsource: demo\n")
        desk.session.switch_source = lambda text, settings: desk.session.tell(
            EventKind.WARNING, "There is no such file."
        )
        desk.window.source_choice.open("missing.mp4")
        desk.bot.waitUntil(lambda: bool(desk.window.stage.toasts), timeout=10_000)
        assert desk.store.current.source == "demo"
        assert desk.window.bar.source.currentText() == "Demo clip"

    def test_a_file_can_be_dropped_onto_the_window(self, open_desk, tmp_path: Path) -> None:
        desk = open_desk()
        drop(desk.window, QUrl.fromLocalFile(str(tmp_path / "match.mp4")))
        desk.wait_asked("switch_source", str(tmp_path / "match.mp4"))
        assert desk.window.bar.source.currentText() == "match.mp4"

    def test_a_camera_that_is_plugged_in_appears_in_the_list(self, open_desk) -> None:
        from app.sources import SourceEntry

        desk = open_desk()
        desk.window.sources.find = lambda: [SourceEntry("camera:New", "New", "camera")]
        press(desk.window, Qt.Key.Key_F5)
        desk.bot.waitUntil(lambda: desk.window.bar.source.findText("New") >= 0, timeout=10_000)
        assert desk.window.bar.source.currentText() == "Demo clip"

    def test_a_lost_camera_is_told_until_it_is_back(self, open_desk) -> None:
        desk = open_desk(cameras=("Front",))
        desk.session.go(SessionState.RECONNECTING)
        desk.session.tell(EventKind.LOST, "The camera “Front” is gone. Reconnecting…")
        desk.bot.waitUntil(lambda: "Front" in desk.window.stage.banner.label.text(), timeout=10_000)
        desk.session.go(SessionState.RUNNING)
        desk.bot.waitUntil(lambda: not desk.window.stage.banner.isVisible(), timeout=10_000)

    def test_a_source_that_fails_leaves_a_card_with_ways_on(self, open_desk) -> None:
        desk = open_desk(cameras=("Front",))
        desk.session.state = SessionState.FAILED
        desk.session.tell(EventKind.FAILURE, "The camera “Front” is in use by another program.", details="Traceback")
        desk.bot.waitUntil(lambda: desk.window.stage.card.isVisible(), timeout=10_000)
        assert "in use" in desk.window.stage.card.text.text()
        assert desk.window.stage.picture is None
        button(desk.window.stage.card, "Copy details").click()
        assert "Traceback" in QGuiApplication.clipboard().text()
        button(desk.window.stage.card, "Play the demo").click()
        desk.bot.waitUntil(lambda: desk.session.state is SessionState.RUNNING, timeout=10_000)
        desk.bot.waitUntil(lambda: not desk.window.stage.card.isVisible(), timeout=10_000)
        assert desk.session.options.source == "demo"


class TestCapture:
    def test_recording_shows_time_and_size_and_ends_with_a_toast(self, open_desk) -> None:
        desk = open_desk()
        press(desk.window, Qt.Key.Key_R)
        desk.bot.waitUntil(lambda: "5 kB" in desk.window.bar.record.text(), timeout=10_000)
        assert desk.window.bar.record.property("recording")
        desk.bot.waitUntil(lambda: reddest(desk) > 150, timeout=10_000)
        opened: list[Path] = []
        desk.window.capture.opener = opened.append
        press(desk.window, Qt.Key.Key_R)
        desk.bot.waitUntil(lambda: bool(desk.window.stage.toasts), timeout=10_000)
        assert desk.window.bar.record.text() == "Record"
        assert reddest(desk) < 100
        toast = desk.window.stage.toasts[0]
        for of_toast in toast.buttons:
            of_toast.click()
        assert [path.suffix for path in opened] == ["", ".mp4"]
        assert opened[1].parent == opened[0]

    def test_what_is_recorded_is_chosen_in_the_menu(self, open_desk) -> None:
        desk = open_desk()
        menu = desk.window.bar.record_options.menu()
        texts = {action.text(): action for action in menu.actions()}
        texts["Both, in two files"].trigger()
        texts["Keypoints beside it (JSONL)"].trigger()
        press(desk.window, Qt.Key.Key_R)
        desk.bot.waitUntil(lambda: bool(desk.asked("start_recording")), timeout=10_000)
        options = desk.asked("start_recording")[0][1]
        assert (options.picture, options.keypoints) == ("both", False)

    def test_a_refused_recording_is_told_and_nothing_else_stops(self, open_desk) -> None:
        desk = open_desk()
        desk.session.refusal = SinkError("The disk is full. Choose another folder.")
        press(desk.window, Qt.Key.Key_R)
        desk.bot.waitUntil(lambda: bool(desk.window.stage.toasts), timeout=10_000)
        assert "disk is full" in desk.window.stage.toasts[0].text
        assert desk.window.bar.record.text() == "Record"

    def test_closing_while_recording_asks_nothing_and_finishes_the_file(self, open_desk) -> None:
        desk = open_desk()
        press(desk.window, Qt.Key.Key_R)
        desk.bot.waitUntil(lambda: desk.session.recording, timeout=10_000)
        desk.window.close()
        assert not desk.session.recording
        assert desk.asked("stop_recording")
        assert not QApplication.activeModalWidget()

    def test_a_snapshot_is_saved_and_can_be_shown(self, open_desk) -> None:
        desk = open_desk()
        press(desk.window, Qt.Key.Key_S)
        desk.bot.waitUntil(lambda: bool(desk.window.stage.toasts), timeout=10_000)
        assert desk.asked("snapshot")[0][1].exists()

    def test_a_folder_that_cannot_be_made_is_told(self, open_desk, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        desk = open_desk()
        desk.store.change(folder=str(tmp_path / "file" / "videos"))
        press(desk.window, Qt.Key.Key_R)
        assert any("Choose another folder" in toast.text for toast in desk.window.stage.toasts)
        assert not desk.asked("start_recording")


class TestTimeline:
    def test_it_is_there_for_files_only(self, open_desk) -> None:
        desk = open_desk(cameras=("Front",))
        assert not desk.window.timeline.isVisible()
        desk.window.source_choice.open("clip.mp4")
        desk.bot.waitUntil(lambda: desk.window.timeline.isVisible(), timeout=10_000)

    def test_keys_play_step_and_seek(self, open_desk) -> None:
        desk = open_desk()
        desk.bot.waitUntil(lambda: desk.window.timeline.isVisible(), timeout=10_000)
        press(desk.window, Qt.Key.Key_Space)
        desk.wait_asked("pause")
        desk.bot.waitUntil(lambda: desk.window.timeline.play.accessibleName() == "Play", timeout=10_000)
        press(desk.window, Qt.Key.Key_Period)
        desk.wait_asked("step", 1)
        press(desk.window, Qt.Key.Key_Left)
        desk.wait_asked("seek", 0.0)
        press(desk.window, Qt.Key.Key_Space)
        desk.wait_asked("resume")

    def test_a_click_on_the_line_seeks_there(self, open_desk) -> None:
        desk = open_desk()
        slider = desk.window.timeline.slider
        desk.bot.waitUntil(lambda: slider.isVisible() and slider.maximum() == 1000, timeout=10_000)
        desk.bot.mouseClick(slider, Qt.MouseButton.LeftButton, pos=slider.rect().center())
        desk.bot.waitUntil(lambda: bool(desk.asked("seek")), timeout=10_000)
        assert desk.asked("seek")[0][1] == pytest.approx(5.0, abs=0.2)

    def test_the_speed_is_handed_on(self, open_desk) -> None:
        desk = open_desk()
        desk.window.timeline.speed.activated.emit(0)
        desk.wait_asked("set_speed", 0.25)


class TestPreferences:
    def test_the_confidence_acts_at_once(self, open_desk) -> None:
        desk = open_desk()
        desk.window.bar.confidence.slider.setValue(45)
        desk.wait_asked("set_thresholds", 0.45, 30)
        desk.bot.waitUntil(lambda: bool(desk.asked("set_drawing")), timeout=10_000)
        assert desk.asked("set_drawing")[-1][1].joint_threshold == pytest.approx(0.45)

    def test_the_number_of_people_acts_at_once_and_is_remembered(self, open_desk) -> None:
        desk = open_desk()
        before = desk.session
        in_next_dialog(lambda dialog: dialog.people.setValue(2))
        desk.window.show_preferences()
        desk.wait_asked("set_thresholds", 0.2, 2)
        assert desk.session is before
        desk.window.close()
        assert open_desk().session.options.max_people == 2

    def test_a_device_that_is_missing_can_not_be_chosen_and_says_why(self, open_desk) -> None:
        desk = open_desk()
        seen: list[tuple[bool, str]] = []

        def look(dialog: QDialog) -> None:
            items, row = dialog.device.model(), dialog.device.findData("cuda")
            desk.bot.waitUntil(lambda: not items.item(row).isEnabled(), timeout=10_000)
            seen.append((items.item(dialog.device.findData("cpu")).isEnabled(), items.item(row).toolTip()))

        in_next_dialog(look)
        desk.window.show_preferences()
        assert seen == [(True, "No NVIDIA driver was found.")]

    def test_half_precision_is_offered_only_where_the_processor_has_it(self, open_desk, monkeypatch) -> None:
        desk = open_desk()
        offered: list[bool] = []

        def look(dialog: QDialog) -> None:
            # What is missing is shown in one go, so that this says when it is known.
            devices, row = dialog.device.model(), dialog.device.findData("cuda")
            desk.bot.waitUntil(lambda: not devices.item(row).isEnabled(), timeout=10_000)
            precision = dialog.precision
            offered.append(precision.model().item(precision.findData("fp16")).isEnabled())

        for reasons in ({"cuda": "No driver."}, {"cuda": "No driver.", "fp16": "The cores have no such arithmetic."}):
            monkeypatch.setattr("app.preferences_dialog.missing", lambda reasons=reasons: reasons)
            in_next_dialog(look)
            desk.window.show_preferences()
        assert offered == [True, False]

    def test_half_precision_starts_the_session_again_and_is_remembered(self, open_desk) -> None:
        desk = open_desk()
        before = desk.session

        def choose(dialog: QDialog) -> None:
            dialog.precision.setCurrentIndex(dialog.precision.findData("fp16"))
            dialog.precision.activated.emit(dialog.precision.currentIndex())

        in_next_dialog(choose)
        desk.window.show_preferences()
        desk.bot.waitUntil(lambda: desk.session is not before, timeout=10_000)
        assert desk.session.options.precision == "fp16"
        desk.window.close()
        assert open_desk().session.options.precision == "fp16"

    def test_another_device_starts_the_session_again(self, open_desk) -> None:
        desk = open_desk()
        before = desk.session

        def choose(dialog: QDialog) -> None:
            dialog.device.setCurrentIndex(dialog.device.findData("auto"))
            dialog.device.activated.emit(dialog.device.currentIndex())

        in_next_dialog(choose)
        desk.window.show_preferences()
        desk.bot.waitUntil(lambda: desk.session is not before, timeout=10_000)
        assert desk.session.options.device == "auto"
        assert desk.store.current.inference.device == "auto"

    def test_another_camera_format_is_asked_of_the_camera_while_all_else_goes_on(self, open_desk) -> None:
        desk = open_desk(cameras=("Front",))
        before = desk.session

        def choose(dialog: QDialog) -> None:
            dialog.resolution.setCurrentIndex(dialog.resolution.findData("1920x1080"))
            dialog.resolution.activated.emit(dialog.resolution.currentIndex())

        in_next_dialog(choose)
        desk.window.show_preferences()
        desk.wait_asked("switch_source", "camera:Front")
        assert (desk.session.settings.width, desk.session.settings.height) == (1920, 1080)
        assert desk.session is before

    def test_the_camera_s_resolution_and_rate_are_remembered_and_harm_no_overlay(self, open_desk) -> None:
        desk = open_desk(cameras=("Front",))

        def choose(dialog: QDialog) -> None:
            for combo, value in ((dialog.resolution, "1280x720"), (dialog.rate, "25")):
                combo.setCurrentIndex(combo.findData(value))
                combo.activated.emit(combo.currentIndex())

        in_next_dialog(choose)
        desk.window.show_preferences()
        desk.window.close()
        again = open_desk(cameras=("Front",))
        assert not again.window.stage.toasts
        settings = again.session.options.source_settings
        assert (settings.width, settings.height, settings.fps) == (1280, 720, 25)
        assert again.store.current.overlays.fps
        shown: list[str] = []
        in_next_dialog(lambda dialog: shown.extend((dialog.resolution.currentText(), dialog.rate.currentText())))
        again.window.show_preferences()
        assert shown == ["1280 × 720", "25 fps"]

    def test_another_camera_format_does_not_disturb_a_file(self, open_desk) -> None:
        desk = open_desk()
        desk.store.change(width=1920, height=1080)
        desk.bot.wait(100)
        assert not desk.asked("switch_source")

    def test_another_input_shape_starts_the_session_again(self, open_desk) -> None:
        desk = open_desk()
        before = desk.session
        desk.store.change(input_mode="square")
        desk.bot.waitUntil(lambda: desk.session is not before, timeout=10_000)
        assert desk.session.options.input_mode == "square"

    def test_smoothing_acts_at_once(self, open_desk) -> None:
        desk = open_desk()
        press(desk.window, Qt.Key.Key_J)
        desk.wait_asked("set_smoothing", False)

    def test_everything_is_as_it_was_at_the_next_start(self, open_desk, tmp_path: Path) -> None:
        desk = open_desk()
        desk.window.rail.buttons["boxes"].click()
        desk.window.bar.confidence.slider.setValue(40)
        desk.window.bar.panel.click()
        desk.window.close()
        again = open_desk()
        assert again.window.rail.buttons["boxes"].isChecked()
        assert again.window.bar.confidence.slider.value() == 40
        assert again.window.panel.isVisible()

    def test_the_theme_changes_while_it_runs(self, open_desk) -> None:
        from app.theme import LIGHT

        desk = open_desk()

        def choose(dialog: QDialog) -> None:
            dialog.theme.setCurrentIndex(dialog.theme.findData("light"))
            dialog.theme.activated.emit(dialog.theme.currentIndex())

        in_next_dialog(choose)
        desk.window.show_preferences()
        assert desk.window.stage.stage.name() == LIGHT.stage

    def test_no_garbage_is_collected_while_qt_goes_through_its_widgets(self, appearance, qtbot) -> None:
        collecting = []

        class Widget(QWidget):
            def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 (the name in Qt)
                collecting.append(gc.isenabled())
                super().changeEvent(event)

        widget = Widget()
        qtbot.addWidget(widget)
        widget.show()
        collecting.clear()
        appearance.show("light")
        assert collecting
        assert not any(collecting)
        assert gc.isenabled()

    def test_another_number_of_threads_starts_the_session_again(self, open_desk) -> None:
        desk = open_desk()
        before = desk.session

        def choose(dialog: QDialog) -> None:
            for count in (4, 3, 2, 1):  # as the arrow is clicked again and again
                dialog.threads.setValue(count)

        in_next_dialog(choose)
        desk.window.show_preferences()
        desk.bot.waitUntil(lambda: desk.session is not before, timeout=10_000)
        assert desk.session.options.threads == 1
        desk.bot.waitUntil(lambda: desk.session.state is SessionState.RUNNING, timeout=10_000)


class TestStatistics:
    def test_the_panel_shows_stages_and_what_runs(self, open_desk) -> None:
        desk = open_desk()
        press(desk.window, Qt.Key.Key_T)
        desk.bot.waitUntil(lambda: "network" in desk.window.panel.stage_texts(), timeout=10_000)
        assert desk.window.panel.stage_texts()["network"] == ("12.0", "15.0")

    def test_copy_puts_a_report_on_the_clipboard(self, open_desk) -> None:
        desk = open_desk()
        desk.bot.waitUntil(lambda: desk.window.figures.statistics.people == 1, timeout=10_000)
        press(desk.window, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
        text = QGuiApplication.clipboard().text()
        assert "Network" in text
        assert "xs-352x192-x86-64-v3-0123" in text
        assert "p95 40 ms" in text


class TestFailures:
    def test_an_exception_in_any_thread_becomes_a_message_with_its_details(self, open_desk) -> None:
        desk = open_desk()
        reporter = FailureReporter()
        reporter.failed.connect(desk.window.show_error)
        reporter.install()
        try:
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()
            desk.bot.waitUntil(lambda: desk.window.findChild(ErrorDialog) is not None, timeout=10_000)
        finally:
            reporter.remove()
        dialog = desk.window.findChild(ErrorDialog)
        dialog.copy_button.click()
        assert "ZeroDivisionError" in QGuiApplication.clipboard().text()
        dialog.close()

    def test_a_request_that_breaks_is_told_and_the_next_one_works(self, open_desk) -> None:
        desk = open_desk()
        desk.session.refusal = RuntimeError("bug")
        press(desk.window, Qt.Key.Key_R)
        desk.bot.waitUntil(lambda: desk.window.findChild(ErrorDialog) is not None, timeout=10_000)
        assert "bug" in desk.window.findChild(ErrorDialog).details
        desk.window.findChild(ErrorDialog).close()
        press(desk.window, Qt.Key.Key_S)
        desk.bot.waitUntil(lambda: bool(desk.asked("snapshot")), timeout=10_000)


class TestForEveryone:
    def test_every_control_has_a_name_for_screen_readers(self, open_desk) -> None:
        desk = open_desk()
        buttons = [b for b in desk.window.findChildren(QToolButton) if not b.objectName().startswith("qt_")]
        assert len(buttons) > 12
        assert not [b for b in buttons if not (b.accessibleName() or b.text())]

    def test_every_key_means_one_thing(self) -> None:
        keys = [key for shortcut in SHORTCUTS for key in shortcut.keys]
        assert len(keys) == len(set(keys))

    def test_the_sheet_lists_every_action(self, open_desk) -> None:
        desk = open_desk()
        texts: list[str] = []

        def read(dialog: QDialog) -> None:
            from PyQt6.QtWidgets import QLabel

            assert isinstance(dialog, ShortcutsSheet)
            texts.extend(label.text() for label in dialog.findChildren(QLabel))

        in_next_dialog(read)
        press(desk.window, Qt.Key.Key_F1)
        assert {shortcut.text for shortcut in SHORTCUTS} <= set(texts)

    def test_a_control_with_the_focus_keeps_its_own_keys(self, open_desk) -> None:
        desk = open_desk()
        desk.window.activateWindow()
        assert QTest.qWaitForWindowActive(desk.window, 10_000)
        slider = desk.window.bar.confidence.slider
        slider.setFocus()
        before = slider.value()
        QTest.keyClick(slider, Qt.Key.Key_Right)
        assert slider.value() == before + 1
        switch = desk.window.rail.buttons["boxes"]
        switch.setFocus()
        QTest.keyClick(switch, Qt.Key.Key_Space)
        assert switch.isChecked()
        desk.bot.wait(50)
        assert not desk.asked("seek")
        assert not desk.asked("pause")

    def test_the_tab_key_goes_from_the_source_to_the_size(self, open_desk) -> None:
        desk = open_desk()
        desk.window.activateWindow()
        desk.window.bar.source.setFocus()
        order = []
        for _ in range(4):
            order.append(desk.window.focusWidget())
            QTest.keyClick(desk.window.focusWidget(), Qt.Key.Key_Tab)
        bar = desk.window.bar
        assert order == [bar.source, bar.refresh, bar.size_picker, bar.confidence.slider]


def halves(desk) -> tuple[float, float]:
    """Mean brightness of the left and the right half of what is on the screen."""
    pixels = desk.window.stage.picture.pixels[..., :3]
    middle = pixels.shape[1] // 2
    return float(pixels[:, :middle].mean()), float(pixels[:, middle:].mean())


def reddest(desk) -> int:
    """How red the reddest place in the picture's upper right corner is on the screen; the fake's pictures are grey there."""
    area = desk.window.stage.picture_rectangle().toRect()
    corner = desk.window.stage.grab().toImage().copy(area.right() - 120, area.top(), 120, 50)
    places = [corner.pixelColor(x, y) for x in range(corner.width()) for y in range(corner.height())]
    return max(place.red() - place.green() for place in places)


def coloured(desk) -> bool:
    """Whether anything but grey is on the screen; the fake's pictures are grey."""
    pixels = desk.window.stage.picture.pixels[..., :3].astype(int)
    return bool((pixels.max(axis=2) - pixels.min(axis=2)).max() > 60)


def button(parent: QWidget, text: str) -> QWidget:
    from PyQt6.QtWidgets import QPushButton

    return next(b for b in parent.findChildren(QPushButton) if b.text() == text)


def drop(window: QWidget, url: QUrl) -> None:
    data = QMimeData()
    data.setUrls([url])
    none = Qt.KeyboardModifier.NoModifier
    event = QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, none)
    window.dropEvent(event)
