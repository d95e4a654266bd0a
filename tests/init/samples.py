"""Eleven repositories as people have them, before devloop: path → text.

Comes in: nothing. Goes out: SAMPLES. Each runs with the base images that the test bed has, but for Java's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_FLASK = """\
from flask import Flask

app = Flask(__name__)


@app.get("/")
def index():
    return "Hello from Flask\\n"
"""

_STDLIB = """\
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Hello\\n")


HTTPServer(("", int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
"""

_STDLIB_DOCKERFILE = """\
FROM python:3.11-slim
WORKDIR /app
COPY app.py .
EXPOSE 8000
CMD ["python3", "app.py"]
"""

_NODE = """\
const http = require("http");
const port = process.env.PORT || 3000;
http.createServer((_, response) => response.end("Hello\\n")).listen(port);
process.on("SIGTERM", () => process.exit(0));
"""

_NODE_DOCKERFILE = """\
FROM node:20-slim
WORKDIR /srv
COPY package.json server.js ./
EXPOSE 3000
CMD ["node", "server.js"]
"""

_EXPRESS = """\
const app = require("express")();
app.get("/", (_, response) => response.send("Hello"));
app.listen(process.env.PORT || 4000);
"""

_GO = """\
package main

import (
	"fmt"
	"log"
	"net/http"

	"example.com/greeter/words"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, words.Hello) })
	log.Fatal(http.ListenAndServe(":8090", nil))
}
"""

_JAVA = """\
package com.example;

import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public class Main {
    public static void main(String[] args) throws Exception {
        HttpServer.create(new InetSocketAddress(8080), 0).start();
    }
}
"""

_POM = """\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId>
  <artifactId>orders</artifactId>
  <version>1.0</version>
  <properties>
    <maven.compiler.release>21</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
</project>
"""


def deployment(name: str, image: str, port: int) -> str:
    """A Deployment and its Service, as people write them."""
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
      containers:
        - name: {name}
          image: {image}
          ports:
            - containerPort: {port}
          readinessProbe:
            tcpSocket:
              port: {port}
            periodSeconds: 1
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector:
    app: {name}
  ports:
    - port: 80
      targetPort: {port}
"""


_CHART_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels:
      app: {{ .Release.Name }}
  template:
    metadata:
      labels:
        app: {{ .Release.Name }}
    spec:
      containers:
        - name: web
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          readinessProbe:
            tcpSocket:
              port: 8000
"""

_COMPOSE = """\
services:
  web:
    build: ./web
    ports:
      - "8088:8000"
    environment:
      GREETING: ${GREETING:-Hello}
      STORE: store:8000
    depends_on:
      - store
    volumes:
      - ./web:/src
  store:
    build:
      context: .
      dockerfile: store/Dockerfile
    volumes:
      - data:/var/lib/store
    restart: unless-stopped
  tools:
    image: busybox
    profiles: [tools]
volumes:
  data:
"""

SAMPLES: Mapping[str, Mapping[str, str]] = {
    "python-with-dockerfile": {"app.py": _STDLIB, "Dockerfile": _STDLIB_DOCKERFILE, "README.md": "# Shop\n"},
    "python-without": {
        "app.py": _FLASK,
        "requirements.txt": "flask==3.0.3\n",
        ".python-version": "3.11\n",
        "tests/test_app.py": "def test_it():\n    pass\n",
    },
    "node-with-dockerfile": {
        "package.json": '{"name": "page", "scripts": {"start": "node server.js"}}\n',
        "server.js": _NODE,
        "Dockerfile": _NODE_DOCKERFILE,
        "k8s/page.yml": deployment("page", "ghcr.io/acme/page:1.4.0", 3000),
    },
    "node-without": {
        "package.json": '{"name": "page", "scripts": {"start": "node server.js"}, "dependencies": {"express": "^4.19.2"}}\n',
        "server.js": _EXPRESS,
        ".nvmrc": "v20\n",
        ".gitignore": "node_modules/\n",
    },
    "go-without": {
        "go.mod": "module example.com/greeter\n\ngo 1.22\n",
        "cmd/greeter/main.go": _GO,
        "words/words.go": 'package words\n\nconst Hello = "Hello"\n',
    },
    "java-maven": {"pom.xml": _POM, "src/main/java/com/example/Main.java": _JAVA},
    "mixed": {
        "services/api/app.py": _STDLIB,
        "services/api/Dockerfile": _STDLIB_DOCKERFILE,
        "services/web/package.json": '{"name": "web", "scripts": {"start": "node server.js"}, "engines": {"node": ">=20"}}\n',
        "services/web/server.js": _NODE,
        "services/greeter/go.mod": "module example.com/greeter\n\ngo 1.24\n",
        "services/greeter/main.go": _GO,
        "services/greeter/words/words.go": 'package words\n\nconst Hello = "Hello"\n',
        "deploy/api.yaml": deployment("api", "acme/shop-api", 8000),
        "deploy/web.yaml": deployment("web", "acme/shop-web", 3000),
        "deploy/greeter.yaml": deployment("greeter", "acme/shop-greeter", 8090),
    },
    "kustomize": {
        "app.py": _STDLIB,
        "Dockerfile": _STDLIB_DOCKERFILE,
        "deploy/base/kustomization.yaml": "resources: [shop.yaml]\n",
        "deploy/base/shop.yaml": deployment("shop", "shop", 8000),
        "deploy/overlays/dev/kustomization.yaml": "resources: [../../base]\nimages: [{name: shop, newName: acme/shop}]\n",
        "deploy/overlays/prod/kustomization.yaml": "resources: [../../base]\nimages: [{name: shop, newName: acme/shop}]\n"
        "replicas: [{name: shop, count: 3}]\n",
    },
    "helm": {
        "src/app.py": _STDLIB,
        "src/Dockerfile": _STDLIB_DOCKERFILE,
        "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n",
        "charts/web/values.yaml": "replicas: 2\nimage:\n  repository: acme/web\n  tag: latest\n",
        "charts/web/values-dev.yaml": "replicas: 1\n",
        "charts/web/values-prod.yaml": "replicas: 5\n",
        "charts/web/templates/deployment.yaml": _CHART_DEPLOYMENT,
    },
    "compose": {
        "compose.yaml": _COMPOSE,
        "web/app.py": _STDLIB,
        "web/Dockerfile": _STDLIB_DOCKERFILE,
        "store/app.py": _STDLIB,
        "store/Dockerfile": _STDLIB_DOCKERFILE.replace("COPY app.py", "COPY store/app.py"),
    },
    "other-name": {
        "backend/app.py": _STDLIB,
        "backend/Dockerfile": _STDLIB_DOCKERFILE,
        "manifests/all.yaml": deployment("orders", "registry.acme.example/team/orders-service:v3", 8000),
    },
}


def write(folder: Path, sample: str) -> Path:
    """The sample as a folder of its own name. Returns it."""
    for path, text in SAMPLES[sample].items():
        file = folder / sample / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / sample
