"""What a killed engine leaves half done of a state's files is taken away, and nothing else."""

from pathlib import Path

from hdinfra.operate.sidecars import drop_empty_sidecars


def lay(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / ".pulumi" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / ".pulumi" / name).write_text(text)


def test_empty_ones_go_and_states_and_whole_ones_stay(tmp_path: Path) -> None:
    empty = dict.fromkeys(("meta.yaml.attrs", "stacks/zone/a.json.attrs", "locks/o/zone/a/1.json.attrs"), "")
    kept = {"stacks/zone/b.json.attrs": "{}", "stacks/zone/a.json": "", "history/zone/a/1.attrs": ""}
    lay(tmp_path, {**empty, **kept})
    drop_empty_sidecars(tmp_path.as_uri())
    left = {str(path.relative_to(tmp_path / ".pulumi")) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == kept.keys()


def test_a_backend_elsewhere_or_not_there_yet_is_left_alone(tmp_path: Path) -> None:
    for backend in ("s3://states", (tmp_path / "none").as_uri()):
        drop_empty_sidecars(backend)
