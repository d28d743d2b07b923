"""The commands of examples/ci, run as they stand there: on the real engine, with stand-ins for the providers.

What only brings programs (uv, pip, curl) is stood in for, since they are here; so are actions, which are others' code.
The stack `europe` has the spec of stacks/local.yaml: its clouds change no command, and this is the quickest.
"""

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.engine.conftest import EngineWorkspace
from tests.engine.test_stack_zone import COMPONENTS, POLICIES, PROVIDERS, RESOURCES, ZoneStack
from tests.graph.specs import LOCAL, with_site

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples/ci"
DEEDS = {"Create", "Update", "Delete"}
SECONDS = 240
BRINGS = {
    "uv": '#!/bin/sh -e\ncase "$1 $2" in "sync --locked") exit ;; "run "*) shift; exec "$@" ;; *) exit 64 ;; esac\n',
    "pip": '#!/bin/sh -e\ntest "$*" = "install --quiet uv"\n',
    "curl": '#!/bin/sh -e\ntest "$*" = "-fsSL https://get.pulumi.com"\necho "exit 0"\n',
}
EVENTS = {
    "merge request": (
        {"event_name": "pull_request", "ref": "refs/pull/7/merge"},
        {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_COMMIT_BRANCH": ""},
    ),
    "main": (
        {"event_name": "push", "ref": "refs/heads/main"},
        {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"},
    ),
}
"""What the two services say of an event."""


@dataclass(frozen=True)
class Job:
    """What one event starts: its shell scripts in order, each in a shell of its own, and their environment."""

    scripts: Sequence[str]
    environment: Mapping[str, str]


def holds(condition: str, values: Mapping[str, str]) -> bool:
    """Of a condition that is made of `==` and `&&` alone."""
    for part in condition.split("&&"):
        left, right = (values.get(side.strip(), side.strip()).strip("'\"") for side in part.split("=="))
        if left != right:
            return False
    return True


def github(event: str) -> Job:
    """The job of examples/ci/github.yml, with a dummy for every secret."""
    data = yaml.safe_load((EXAMPLES / "github.yml").read_text())
    values = {f"github.{name}": value for name, value in EVENTS[event][0].items()}
    (job,) = [job for job in data["jobs"].values() if holds(job["if"], values)]
    steps = [step for step in job["steps"] if "run" in step]
    told = [data["env"], job.get("env", {}), *(step.get("env", {}) for step in steps)]
    secrets = {
        name: re.sub(r"\$\{\{ secrets\.\w+ }}", "of this test", value) for part in told for name, value in part.items()
    }
    # configure-aws-credentials leaves keys in the environment of the steps behind it.
    assert any("configure-aws-credentials" in step.get("uses", "") for step in job["steps"])
    return Job([step["run"] for step in steps], {**secrets, "AWS_ACCESS_KEY_ID": "of this test"})


def gitlab(event: str) -> Job:
    """The job of examples/ci/gitlab.yml, with GitLab's own variables and the tokens that its settings hold."""
    data = yaml.safe_load((EXAMPLES / "gitlab.yml").read_text())
    values = {f"${name}": value for name, value in {**EVENTS[event][1], "CI_DEFAULT_BRANCH": "main"}.items()}
    jobs = [job for job in data.values() if isinstance(job, dict) and "script" in job]
    (job,) = [
        {**data[job["extends"]], **job} for job in jobs if any(holds(rule["if"], values) for rule in job["rules"])
    ]
    tokens = dict.fromkeys((*job["id_tokens"], "DIGITALOCEAN_TOKEN", "HCLOUD_TOKEN"), "of this test")
    return Job(
        ["\n".join([*job["before_script"], *job["script"]])], {**data["variables"], **job["variables"], **tokens}
    )


@dataclass
class Checkout:
    """A repository with the stack `europe`, and the shell that runs jobs in it."""

    stack: ZoneStack

    @property
    def workspace(self) -> EngineWorkspace:
        """The engine's."""
        return self.stack.workspace

    def commit(self) -> None:
        """All that is there."""
        for words in (["add", "--all"], ["commit", "--quiet", "--message", "stacks: as it is"]):
            self.git(*words)

    def git(self, *words: str) -> str:
        """A command of git's, by somebody."""
        who = ["-c", "user.name=t", "-c", "user.email=t@example.test", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *who, *words], cwd=self.workspace.project, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    def run(self, job: Job) -> tuple[int, str]:
        """Exit code of the first script that fails, else 0; and all that was said."""
        said = ""
        for script in job.scripts:
            done = subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", script],
                cwd=self.workspace.project,
                env=self.environment(job),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=SECONDS,
                check=False,
            )
            said += done.stdout
            if done.returncode:
                return done.returncode, said
        return 0, said

    def environment(self, job: Job) -> dict[str, str]:
        """The job's own but for the backend, and for paths outside this test's folder."""
        own = self.workspace.environment
        kept = {"PULUMI_BACKEND_URL": own["PULUMI_BACKEND_URL"], "HOME": str(self.workspace.folder)}
        token = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(self.workspace.folder / "token")}
        brings = {"PATH": f"{self.workspace.folder / 'bin'}{os.pathsep}{own['PATH']}"}
        job_own = {**job.environment, **(token if "AWS_WEB_IDENTITY_TOKEN_FILE" in job.environment else {})}
        return {**own, **job_own, **kept, **brings}

    def deeds(self) -> set[tuple[str, str]]:
        """(call, name) of all that a provider was asked to change since the last time."""
        found = {(call, name) for call, name in self.stack.touched() if call in DEEDS}
        self.stack.forget_calls()
        return found


@pytest.fixture
def checkout(engine_workspace: EngineWorkspace) -> Checkout:
    """A repository in which nobody has run anything."""
    found = Checkout(ZoneStack(engine_workspace))
    found.stack.spec = found.stack.spec.with_name("europe.yaml")
    found.stack.write()
    found.stack.spec.write_text(LOCAL)
    shelf = engine_workspace.folder / "bin"
    shelf.mkdir()
    for name, script in BRINGS.items():
        (shelf / name).write_text(script)
        (shelf / name).chmod(0o755)
    engine_workspace.run("stack", "init", "europe")
    (engine_workspace.project / ".gitignore").write_text(".state/\n__pycache__/\n")
    found.git("init", "--quiet", "--initial-branch", "main")
    found.commit()
    return found


@pytest.mark.parametrize("service", [github, gitlab])
def test_a_preview_makes_nothing_and_main_makes_all(service: Callable[[str], Job], checkout: Checkout) -> None:
    code, said = checkout.run(service("merge request"))
    assert code == 0 and f"+ {RESOURCES + 1} to create" in said, said
    assert checkout.deeds() == set()
    assert checkout.workspace.resources() == {}

    code, said = checkout.run(service("main"))
    assert f"+ {RESOURCES + 1} created" in said, said
    assert len(checkout.deeds()) == RESOURCES - COMPONENTS - PROVIDERS
    assert code != 0 and "+++ b/stacks/europe.lock.yaml" in said, "nobody says that the lock file has to be committed"
    checkout.commit()

    checkout.stack.spec.write_text(with_site())
    code, said = checkout.run(service("merge request"))
    assert code == 0 and "~ 4 to update" in said, said
    assert checkout.deeds() == set()

    checkout.commit()
    code, said = checkout.run(service("main"))
    assert code == 0, said
    assert checkout.deeds() == {("Update", name) for name in {*POLICIES, "edge-certificates", "lab-globex-blog-policy"}}
