<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
<context>
    <name>AddressDialog</name>
    <message>
        <source>Open an address</source>
        <translation>Adresse öffnen</translation>
    </message>
    <message>
        <source>&amp;Address of a video or a network camera</source>
        <translation>&amp;Adresse eines Videos oder einer Netzwerkkamera</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>Öffnen</translation>
    </message>
</context>
<context>
    <name>Bar</name>
    <message>
        <source>Confidence</source>
        <translation>Konfidenz</translation>
    </message>
    <message>
        <source>How sure the network must be to show a person or a joint</source>
        <translation>Wie sicher das Netz sein muss, damit ein Mensch oder ein Gelenk gezeigt wird</translation>
    </message>
    <message>
        <source>Record</source>
        <translation>Aufnehmen</translation>
    </message>
    <message>
        <source>What is recorded</source>
        <translation>Was aufgenommen wird</translation>
    </message>
    <message>
        <source>Menu</source>
        <translation>Menü</translation>
    </message>
    <message>
        <source>Stop recording</source>
        <translation>Aufnahme beenden</translation>
    </message>
    <message>
        <source>With skeletons</source>
        <translation>Mit Skeletten</translation>
    </message>
    <message>
        <source>Without anything on it</source>
        <translation>Ohne alles darauf</translation>
    </message>
    <message>
        <source>Both, in two files</source>
        <translation>Beides, in zwei Dateien</translation>
    </message>
    <message>
        <source>Keypoints beside it (JSONL)</source>
        <translation>Gelenkpunkte daneben (JSONL)</translation>
    </message>
    <message>
        <source>Open the folder</source>
        <translation>Ordner öffnen</translation>
    </message>
</context>
<context>
    <name>Capture</name>
    <message>
        <source>Nothing can be saved there: {reason}. Choose another folder in the preferences.</source>
        <translation>Dort lässt sich nichts speichern: {reason}. Wählen Sie in den Einstellungen einen anderen Ordner.</translation>
    </message>
    <message>
        <source>Recorded {name}</source>
        <translation>{name} aufgenommen</translation>
    </message>
    <message>
        <source>Show in folder</source>
        <translation>Im Ordner zeigen</translation>
    </message>
    <message>
        <source>Play</source>
        <translation>Abspielen</translation>
    </message>
    <message>
        <source>Saved {name}</source>
        <translation>{name} gespeichert</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>Öffnen</translation>
    </message>
</context>
<context>
    <name>ErrorDialog</name>
    <message>
        <source>Something went wrong</source>
        <translation>Etwas ist schiefgegangen</translation>
    </message>
    <message>
        <source>Details</source>
        <translation>Einzelheiten</translation>
    </message>
    <message>
        <source>Show details</source>
        <translation>Einzelheiten zeigen</translation>
    </message>
    <message>
        <source>Copy details</source>
        <translation>Einzelheiten kopieren</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>Schließen</translation>
    </message>
    <message>
        <source>Hide details</source>
        <translation>Einzelheiten verbergen</translation>
    </message>
    <message>
        <source>Copied</source>
        <translation>Kopiert</translation>
    </message>
</context>
<context>
    <name>ExportDialog</name>
    <message>
        <source>Export</source>
        <translation>Exportieren</translation>
    </message>
    <message>
        <source>Every frame goes to {name}</source>
        <translation>Jedes Bild kommt in {name}</translation>
    </message>
    <message>
        <source>Getting ready</source>
        <translation>Wird vorbereitet</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>{done} of {total} frames · {left} left</source>
        <translation>{done} von {total} Bildern · noch {left}</translation>
    </message>
    <message>
        <source>{done} frames</source>
        <translation>{done} Bilder</translation>
    </message>
    <message>
        <source>Cancelling…</source>
        <translation>Wird abgebrochen…</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>The preferences cannot be saved: {reason}</source>
        <translation>Die Einstellungen lassen sich nicht speichern: {reason}</translation>
    </message>
</context>
<context>
    <name>Narrator</name>
    <message>
        <source>Getting ready</source>
        <translation>Wird vorbereitet</translation>
    </message>
    <message>
        <source>The network is built for this machine once. From then on it starts at once.</source>
        <translation>Das Netz wird einmal für diesen Rechner gebaut. Danach startet es sofort.</translation>
    </message>
    <message>
        <source>Reconnecting…</source>
        <translation>Verbindung wird wiederhergestellt …</translation>
    </message>
    <message>
        <source>No picture</source>
        <translation>Kein Bild</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>Noch einmal versuchen</translation>
    </message>
    <message>
        <source>Play the demo</source>
        <translation>Demo abspielen</translation>
    </message>
    <message>
        <source>Copy details</source>
        <translation>Einzelheiten kopieren</translation>
    </message>
    <message>
        <source>The network is built for this machine, once</source>
        <translation>Das Netz wird einmal für diesen Rechner gebaut</translation>
    </message>
</context>
<context>
    <name>PreferencesDialog</name>
    <message>
        <source>Preferences</source>
        <translation>Einstellungen</translation>
    </message>
    <message>
        <source>Window</source>
        <translation>Fenster</translation>
    </message>
    <message>
        <source>Recording</source>
        <translation>Aufnahme</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>Schließen</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>Dunkel</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>Hell</translation>
    </message>
    <message>
        <source>As the desktop</source>
        <translation>Wie der Desktop</translation>
    </message>
    <message>
        <source>&amp;Colours</source>
        <translation>&amp;Farben</translation>
    </message>
    <message>
        <source>&amp;Language</source>
        <translation>&amp;Sprache</translation>
    </message>
    <message>
        <source>Another language is spoken from the next start on.</source>
        <translation>Eine andere Sprache gilt ab dem nächsten Start.</translation>
    </message>
    <message>
        <source>&amp;Mirror cameras, as people know themselves</source>
        <translation>Kameras &amp;spiegeln, wie man sich selbst kennt</translation>
    </message>
    <message>
        <source>Show &amp;only frames that have their own poses</source>
        <translation>&amp;Nur Bilder zeigen, die eigene Posen haben</translation>
    </message>
    <message>
        <source>With skeletons</source>
        <translation>Mit Skeletten</translation>
    </message>
    <message>
        <source>Without anything on it</source>
        <translation>Ohne alles darauf</translation>
    </message>
    <message>
        <source>Both, in two files</source>
        <translation>Beides, in zwei Dateien</translation>
    </message>
    <message>
        <source>&amp;Video</source>
        <translation>&amp;Video</translation>
    </message>
    <message>
        <source>&amp;Keypoints beside it (JSONL)</source>
        <translation>&amp;Gelenkpunkte daneben (JSONL)</translation>
    </message>
    <message>
        <source>Choose…</source>
        <translation>Wählen …</translation>
    </message>
    <message>
        <source>&amp;Folder</source>
        <translation>&amp;Ordner</translation>
    </message>
    <message>
        <source>Automatic</source>
        <translation>Automatisch</translation>
    </message>
    <message>
        <source>&amp;Threads</source>
        <translation>&amp;Threads</translation>
    </message>
    <message>
        <source>Nearest to the picture's shape</source>
        <translation>Der Form des Bildes am nächsten</translation>
    </message>
    <message>
        <source>Square, as in the paper</source>
        <translation>Quadratisch, wie in der Veröffentlichung</translation>
    </message>
    <message>
        <source>&amp;Input shape</source>
        <translation>&amp;Eingabeform</translation>
    </message>
    <message>
        <source>Folder for recordings</source>
        <translation>Ordner für Aufnahmen</translation>
    </message>
    <message>
        <source>&amp;Device</source>
        <translation>&amp;Gerät</translation>
    </message>
    <message>
        <source>&amp;People at most</source>
        <translation>&amp;Personen höchstens</translation>
    </message>
    <message>
        <source>&amp;Resolution</source>
        <translation>Auf&amp;lösung</translation>
    </message>
    <message>
        <source>A camera gives the nearest that it has; the line below the picture says which.</source>
        <translation>Eine Kamera gibt das Nächste, was sie kann; die Zeile unter dem Bild sagt, was es ist.</translation>
    </message>
    <message>
        <source>Camera</source>
        <translation>Kamera</translation>
    </message>
    <message>
        <source>Graphics card (OpenCL)</source>
        <translation>Grafikkarte (OpenCL)</translation>
    </message>
    <message>
        <source>Half (16 bits)</source>
        <translation>Halb (16 Bit)</translation>
    </message>
    <message>
        <source>Integers (8 bits)</source>
        <translation>Ganzzahlen (8 Bit)</translation>
    </message>
    <message>
        <source>NVIDIA graphics card (CUDA)</source>
        <translation>NVIDIA-Grafikkarte (CUDA)</translation>
    </message>
    <message>
        <source>Network</source>
        <translation>Netz</translation>
    </message>
    <message>
        <source>P&amp;recision</source>
        <translation>&amp;Rechengenauigkeit</translation>
    </message>
    <message>
        <source>Processor (CPU)</source>
        <translation>Prozessor (CPU)</translation>
    </message>
    <message>
        <source>R&amp;ate</source>
        <translation>Bildr&amp;ate</translation>
    </message>
    <message>
        <source>Single (32 bits)</source>
        <translation>Einfach (32 Bit)</translation>
    </message>
    <message>
        <source>These start the video again and end a recording. Another shape is built once.</source>
        <translation>Diese Angaben starten das Video neu und beenden eine Aufnahme. Eine andere Form wird einmal gebaut.</translation>
    </message>
    <message>
        <source>{rate} fps</source>
        <translation>{rate} Bilder/s</translation>
    </message>
</context>
<context>
    <name>Rail</name>
    <message>
        <source>Show only frames that have their own poses: skeletons never lag, the picture is less fluent</source>
        <translation>Nur Bilder mit eigenen Posen zeigen: Skelette hinken nie nach, das Bild ist weniger flüssig</translation>
    </message>
    <message>
        <source>Right click: choose the lines</source>
        <translation>Rechtsklick: Zeilen wählen</translation>
    </message>
    <message>
        <source>Only frames with own poses</source>
        <translation>Nur Bilder mit eigenen Posen</translation>
    </message>
    <message>
        <source>Frame rate</source>
        <translation>Bildrate</translation>
    </message>
    <message>
        <source>Delay</source>
        <translation>Verzögerung</translation>
    </message>
    <message>
        <source>Share of each stage</source>
        <translation>Anteil jeder Stufe</translation>
    </message>
    <message>
        <source>People</source>
        <translation>Menschen</translation>
    </message>
    <message>
        <source>Skipped frames</source>
        <translation>Ausgelassene Bilder</translation>
    </message>
</context>
<context>
    <name>Readout</name>
    <message>
        <source>fps · {rate} poses/s</source>
        <translation>Bilder/s · {rate} Posen/s</translation>
    </message>
    <message>
        <source>ms delay · p95 {p95}</source>
        <translation>ms Verzögerung · p95 {p95}</translation>
    </message>
    <message>
        <source>person</source>
        <translation>Mensch</translation>
    </message>
    <message>
        <source>people</source>
        <translation>Menschen</translation>
    </message>
    <message>
        <source>frames skipped</source>
        <translation>Bilder ausgelassen</translation>
    </message>
    <message>
        <source>waiting</source>
        <translation>Warten</translation>
    </message>
    <message>
        <source>resizing</source>
        <translation>Verkleinern</translation>
    </message>
    <message>
        <source>network</source>
        <translation>Netz</translation>
    </message>
    <message>
        <source>decoding</source>
        <translation>Dekodieren</translation>
    </message>
    <message>
        <source>grouping</source>
        <translation>Gruppieren</translation>
    </message>
    <message>
        <source>tracking</source>
        <translation>Verfolgen</translation>
    </message>
    <message>
        <source>smoothing</source>
        <translation>Glätten</translation>
    </message>
    <message>
        <source>fps</source>
        <translation>Bilder/s</translation>
    </message>
</context>
<context>
    <name>Shortcuts</name>
    <message>
        <source>Watch</source>
        <translation>Ansehen</translation>
    </message>
    <message>
        <source>Capture</source>
        <translation>Aufzeichnen</translation>
    </message>
    <message>
        <source>Overlays</source>
        <translation>Einblendungen</translation>
    </message>
    <message>
        <source>Files</source>
        <translation>Dateien</translation>
    </message>
    <message>
        <source>Program</source>
        <translation>Programm</translation>
    </message>
    <message>
        <source>Open a file</source>
        <translation>Datei öffnen</translation>
    </message>
    <message>
        <source>Open an address</source>
        <translation>Adresse öffnen</translation>
    </message>
    <message>
        <source>Look for cameras again</source>
        <translation>Kameras neu suchen</translation>
    </message>
    <message>
        <source>Size XS</source>
        <translation>Größe XS</translation>
    </message>
    <message>
        <source>Size S</source>
        <translation>Größe S</translation>
    </message>
    <message>
        <source>Size M</source>
        <translation>Größe M</translation>
    </message>
    <message>
        <source>Size L</source>
        <translation>Größe L</translation>
    </message>
    <message>
        <source>Higher confidence: fewer people</source>
        <translation>Mehr Sicherheit: weniger Menschen</translation>
    </message>
    <message>
        <source>Lower confidence: more people</source>
        <translation>Weniger Sicherheit: mehr Menschen</translation>
    </message>
    <message>
        <source>Full screen</source>
        <translation>Vollbild</translation>
    </message>
    <message>
        <source>Start and stop recording</source>
        <translation>Aufnahme starten und beenden</translation>
    </message>
    <message>
        <source>Save the picture</source>
        <translation>Bild speichern</translation>
    </message>
    <message>
        <source>Statistics</source>
        <translation>Statistik</translation>
    </message>
    <message>
        <source>Copy the statistics</source>
        <translation>Statistik kopieren</translation>
    </message>
    <message>
        <source>Skeletons</source>
        <translation>Skelette</translation>
    </message>
    <message>
        <source>Boxes</source>
        <translation>Rahmen</translation>
    </message>
    <message>
        <source>Numbers of people</source>
        <translation>Nummern der Menschen</translation>
    </message>
    <message>
        <source>Trails</source>
        <translation>Spuren</translation>
    </message>
    <message>
        <source>Heat map</source>
        <translation>Wärmebild</translation>
    </message>
    <message>
        <source>Blur faces</source>
        <translation>Gesichter verwischen</translation>
    </message>
    <message>
        <source>Privacy: hide the picture</source>
        <translation>Privat: Bild verbergen</translation>
    </message>
    <message>
        <source>Mirror</source>
        <translation>Spiegeln</translation>
    </message>
    <message>
        <source>Smooth motion</source>
        <translation>Bewegung glätten</translation>
    </message>
    <message>
        <source>Statistics on the picture</source>
        <translation>Statistik auf dem Bild</translation>
    </message>
    <message>
        <source>Play and pause</source>
        <translation>Abspielen und anhalten</translation>
    </message>
    <message>
        <source>One frame on</source>
        <translation>Ein Bild weiter</translation>
    </message>
    <message>
        <source>5 seconds back</source>
        <translation>5 Sekunden zurück</translation>
    </message>
    <message>
        <source>5 seconds on</source>
        <translation>5 Sekunden weiter</translation>
    </message>
    <message>
        <source>Export the whole file</source>
        <translation>Ganze Datei exportieren</translation>
    </message>
    <message>
        <source>Preferences</source>
        <translation>Einstellungen</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>Beenden</translation>
    </message>
    <message>
        <source>Keyboard shortcuts</source>
        <translation>Tastenkürzel</translation>
    </message>
</context>
<context>
    <name>ShortcutsSheet</name>
    <message>
        <source>Keyboard shortcuts</source>
        <translation>Tastenkürzel</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>Schließen</translation>
    </message>
</context>
<context>
    <name>SizePicker</name>
    <message>
        <source>Network size</source>
        <translation>Größe des Netzes</translation>
    </message>
    <message>
        <source>Network size: larger is more accurate and slower</source>
        <translation>Größe des Netzes: größer ist genauer und langsamer</translation>
    </message>
    <message>
        <source>No weights yet. Get them with</source>
        <translation>Noch keine Gewichte. So bekommen Sie sie:</translation>
    </message>
    <message>
        <source>no weights: import or train them</source>
        <translation>keine Gewichte: importieren oder trainieren</translation>
    </message>
    <message>
        <source>AP {ap} at {side}×{side}</source>
        <translation>AP {ap} bei {side}×{side}</translation>
    </message>
    <message>
        <source>imported, accuracy unknown</source>
        <translation>importiert, Genauigkeit unbekannt</translation>
    </message>
    <message>
        <source>{ms} ms here</source>
        <translation>hier {ms} ms</translation>
    </message>
    <message>
        <source>not timed here yet</source>
        <translation>hier noch nicht gemessen</translation>
    </message>
</context>
<context>
    <name>SourceList</name>
    <message>
        <source>Demo clip</source>
        <translation>Demofilm</translation>
    </message>
</context>
<context>
    <name>SourcePicker</name>
    <message>
        <source>Source</source>
        <translation>Quelle</translation>
    </message>
    <message>
        <source>Where the picture comes from. Files can also be dropped onto the window.</source>
        <translation>Woher das Bild kommt. Dateien lassen sich auch auf das Fenster ziehen.</translation>
    </message>
    <message>
        <source>Open a file…</source>
        <translation>Datei öffnen …</translation>
    </message>
    <message>
        <source>Open an address…</source>
        <translation>Adresse öffnen …</translation>
    </message>
</context>
<context>
    <name>StatisticsPanel</name>
    <message>
        <source>Delay over the last minute</source>
        <translation>Verzögerung in der letzten Minute</translation>
    </message>
    <message>
        <source>Copy as text</source>
        <translation>Als Text kopieren</translation>
    </message>
    <message>
        <source>Delay, capture to screen</source>
        <translation>Verzögerung, Aufnahme bis Bildschirm</translation>
    </message>
    <message>
        <source>Milliseconds per frame</source>
        <translation>Millisekunden je Bild</translation>
    </message>
    <message>
        <source>Running</source>
        <translation>Läuft</translation>
    </message>
    <message>
        <source>median</source>
        <translation>Median</translation>
    </message>
</context>
<context>
    <name>Status</name>
    <message>
        <source>{count} frames skipped</source>
        <translation>{count} Bilder ausgelassen</translation>
    </message>
    <message>
        <source>{count} lost by the recording</source>
        <translation>{count} in der Aufnahme verloren</translation>
    </message>
    <message>
        <source>{count}× reconnected</source>
        <translation>{count}× neu verbunden</translation>
    </message>
    <message>
        <source>Stopped</source>
        <translation>Angehalten</translation>
    </message>
    <message>
        <source>Starting</source>
        <translation>Startet</translation>
    </message>
    <message>
        <source>Running</source>
        <translation>Läuft</translation>
    </message>
    <message>
        <source>Paused</source>
        <translation>Pause</translation>
    </message>
    <message>
        <source>Reconnecting</source>
        <translation>Verbindet neu</translation>
    </message>
    <message>
        <source>Switching</source>
        <translation>Wechselt</translation>
    </message>
    <message>
        <source>Stopping</source>
        <translation>Hält an</translation>
    </message>
    <message>
        <source>Failed</source>
        <translation>Fehlgeschlagen</translation>
    </message>
    <message>
        <source>Source</source>
        <translation>Quelle</translation>
    </message>
    <message>
        <source>Network</source>
        <translation>Netz</translation>
    </message>
    <message>
        <source>Input</source>
        <translation>Eingabe</translation>
    </message>
    <message>
        <source>Joints</source>
        <translation>Gelenke</translation>
    </message>
    <message>
        <source>Runs on</source>
        <translation>Rechnet auf</translation>
    </message>
    <message>
        <source>Target</source>
        <translation>Ziel</translation>
    </message>
    <message>
        <source>Threads</source>
        <translation>Threads</translation>
    </message>
    <message>
        <source>{count} threads</source>
        <translation>{count} Threads</translation>
    </message>
    <message>
        <source>Compiled</source>
        <translation>Kompilat</translation>
    </message>
</context>
<context>
    <name>Timeline</name>
    <message>
        <source>Position</source>
        <translation>Position</translation>
    </message>
    <message>
        <source>Speed</source>
        <translation>Geschwindigkeit</translation>
    </message>
    <message>
        <source>Export…</source>
        <translation>Exportieren …</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>Anhalten</translation>
    </message>
    <message>
        <source>Play</source>
        <translation>Abspielen</translation>
    </message>
</context>
<context>
    <name>VideoView</name>
    <message>
        <source>Video</source>
        <translation>Video</translation>
    </message>
</context>
<context>
    <name>Figures</name>
    <message>
        <source>The statistics are on the clipboard.</source>
        <translation>Die Statistik liegt in der Zwischenablage.</translation>
    </message>
</context>
<context>
    <name>FileExport</name>
    <message>
        <source>Export</source>
        <translation>Exportieren</translation>
    </message>
</context>
<context>
    <name>SizeChoice</name>
    <message>
        <source>Size {size} is on its way…</source>
        <translation>Größe {size} wird vorbereitet …</translation>
    </message>
    <message>
        <source>There are no weights for size {size} any more. {other} runs instead.</source>
        <translation>Für die Größe {size} gibt es keine Gewichte mehr. Statt ihrer läuft {other}.</translation>
    </message>
    <message>
        <source>There are no weights for size {size} yet. Get them with:
{how}</source>
        <translation>Für die Größe {size} gibt es noch keine Gewichte. So bekommen Sie sie:
{how}</translation>
    </message>
</context>
<context>
    <name>SourceChoice</name>
    <message>
        <source>All files</source>
        <translation>Alle Dateien</translation>
    </message>
    <message>
        <source>Open a file</source>
        <translation>Datei öffnen</translation>
    </message>
    <message>
        <source>Opening {name}…</source>
        <translation>{name} wird geöffnet …</translation>
    </message>
    <message>
        <source>Videos and pictures</source>
        <translation>Videos und Bilder</translation>
    </message>
</context>
</TS>
