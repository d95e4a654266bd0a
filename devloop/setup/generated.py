"""Manifests for a program that has none: a Deployment, and a Service when it listens.

Comes in: a name, an image, a source. Goes out: text, with comments for somebody who sees such a file for the first time. Pure.
"""

from __future__ import annotations

from devloop.setup.records import Source

_DEPLOYMENT = """\
# Made by `devloop init`; it is yours to change.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: 1
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - name: {name}
          # As in devloop.yaml, without a tag: devloop puts in what it built.
          image: {image}
"""

_PORTS = """\
          ports:
            - containerPort: {port}
          # Ready is who answers: until then the old version goes on serving.
          readinessProbe:
            tcpSocket: {{port: {port}}}
            periodSeconds: 2
"""

_SERVICE = """\
---
# Others in the cluster reach it as http://{name}:{port}.
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: {name}}}
  ports:
    - port: {port}
"""


def manifest(name: str, image: str, source: Source) -> str:
    """The file's text."""
    text = _DEPLOYMENT.format(name=name, image=image)
    if source.ports:
        port = source.ports[0]
        text += _PORTS.format(port=port) + _SERVICE.format(name=name, port=port)
    return text
