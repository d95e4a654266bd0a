"""Small projects for end-to-end tests: a page served by busybox, one Deployment a service.

Comes in: names and texts. Goes out: a folder that `devloop` runs in. Each service has its own folder and port, so that editing and
breaking one leaves the others alone.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

DOCKERFILE = """\
FROM busybox:1.37
COPY index.html /www/index.html
CMD ["httpd", "-f", "-v", "-p", "8080", "-h", "/www"]
"""

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {name}}}}}
  strategy: {{rollingUpdate: {{maxSurge: 1, maxUnavailable: 0}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: {name}
          image: {image}
          readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
"""


@dataclass
class Project:
    """A project in `folder` with one image and one Deployment for each of `names`, served on `ports`."""

    folder: Path
    names: tuple[str, ...] = ("web",)
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "k8s").mkdir(parents=True)
        self.ports = dict(zip(self.names, free_ports(len(self.names)), strict=True))
        for name in self.names:
            (self.folder / name).mkdir()
            self.write(f"{name}/Dockerfile", DOCKERFILE)
            self.edit("first", name)
            self.write(f"k8s/{name}.yaml", self.manifest(name))
        self.write("devloop.yaml", self.config())

    def config(self, extra: str = "") -> str:
        artifacts = "".join(f"    - image: {self.image(name)}\n      context: {name}\n" for name in self.names)
        forwards = "".join(
            f"  - resource: deployment/{name}\n    port: 8080\n    localPort: {self.ports[name]}\n"
            for name in self.names
        )
        return (
            f"apiVersion: devloop/v1\nmetadata:\n  name: e2e\nbuild:\n  artifacts:\n{artifacts}"
            f"deploy:\n  - manifests: [k8s/*.yaml]\n{extra}portForward:\n{forwards}"
        )

    def image(self, name: str) -> str:
        return f"e2e-{self.folder.name.lower()}/{name}"

    def manifest(self, name: str = "web") -> str:
        return MANIFEST.format(name=name, image=self.image(name))

    def edit(self, text: str, name: str = "web") -> None:
        """Changes the page."""
        self.write(f"{name}/index.html", f"{text}\n")

    def write(self, path: str, text: str) -> None:
        """Saves as editors do: a new file in the old one's place."""
        target = self.folder / path
        draft = target.with_name(f".{target.name}.swp")
        draft.write_text(text)
        os.replace(draft, target)

    @property
    def port(self) -> int:
        return self.ports[self.names[0]]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
