"""Programs in Java, Ruby, C# and Rust.

Comes in: a folder. Goes out: its recipe, or None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from devloop.setup.languages.recipe import USER, Recipe, cached, command, dockerfile, expose, pinned, port, sources
from devloop.setup.walk import Tree

_SPRING_PORT = (r"server\.port\s*[=:]\s*(\d{2,5})", r"(?m)^\s+port:\s*(\d{2,5})")
_JAVA_PORTS = (r"InetSocketAddress\((?:[^,()]*,\s*)?(\d{2,5})\)", r"(?i)\bport\w*\s*=\s*(\d{2,5})")
_RUST_PORTS = (r"[\"'][\w.\[\]:]*:(\d{2,5})[\"']", r"\]\s*,\s*(\d{2,5})\s*\)")


@dataclass(frozen=True)
class _Java:
    """How a Java program is built: in which image, with which cache and command, which leaves app.jar in `made`."""

    language: str
    image: str
    cache: str
    command: str
    made: str


def maven(tree: Tree, folder: str) -> Recipe | None:
    """A module of Maven: Spring Boot's archive, or classes with their libraries beside them."""
    pom = tree.read(folder, "pom.xml")
    is_spring = "spring-boot-maven-plugin" in pom
    main = "" if is_spring else _java_main(tree, folder)
    if not (is_spring or main) or "<modules>" in pom:
        return None
    libraries = (
        " dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=target/lib && mkdir -p target/lib"
    )
    archive = "cp $(ls target/*.jar | grep -v -e sources -e javadoc -e original | head -n 1) target/app.jar"
    build = f"mvn -B -q -DskipTests package{'' if is_spring else libraries} && {archive}"
    java = _java_version(pom)
    how = _Java("Java, with Maven", f"maven:3-eclipse-temurin-{java}", "/root/.m2", build, "target")
    return _java(how, java, main, _java_ports(tree, folder, is_spring=is_spring))


def gradle(tree: Tree, folder: str) -> Recipe | None:
    """A project of Gradle with Spring Boot; what other plugins make cannot be told from the text."""
    text = tree.read(folder, "build.gradle") or tree.read(folder, "build.gradle.kts")
    if "org.springframework.boot" not in text:
        return None
    java = _java_version(text)
    build = "gradle --no-daemon bootJar && cp $(ls build/libs/*.jar | grep -v plain | head -n 1) build/libs/app.jar"
    how = _Java("Java, with Gradle", f"gradle:8-jdk{java}", "/home/gradle/.gradle/caches", build, "build/libs")
    return _java(how, java, "", _java_ports(tree, folder, is_spring=True))


def _java(how: _Java, java: str, main: str, ports: tuple[int, ...]) -> Recipe:
    """`main`: the class to run with its libraries; "" for an archive that runs by itself."""
    start = ("java", "-cp", "/app/app.jar:/app/lib/*", main) if main else ("java", "-jar", "/app/app.jar")
    text = dockerfile(
        how.language,
        f"FROM {how.image} AS build",
        "WORKDIR /src",
        "COPY . .",
        "# What was fetched stays in the cache, so nothing has to come before the sources.",
        cached(how.cache, how.command),
        "",
        f"FROM eclipse-temurin:{java}-jre",
        f"COPY --from=build /src/{how.made}/lib /app/lib" if main else "",
        f"COPY --from=build /src/{how.made}/app.jar /app/app.jar",
        f"USER {USER}",
        expose(ports),
        command(*start),
    )
    return Recipe("Java", text, ports, ("**/target", "**/build", "**/.gradle"))


def _java_version(text: str) -> str:
    found = re.search(
        r"(?:java\.version|release|languageVersion[^\d]*|maven\.compiler\.source|sourceCompatibility[^\d]*)>?\D{0,3}(\d{2})\b",
        text,
    )
    wanted = int(found[1]) if found else 21
    return str(next((each for each in (11, 17, 21, 25) if each >= wanted), 25))


def _java_main(tree: Tree, folder: str) -> str:
    for file, text in sources(tree, folder, ".java"):
        if re.search(r"public\s+static\s+void\s+main\s*\(", text):
            package = re.search(r"(?m)^\s*package\s+([\w.]+)\s*;", text)
            name = file.rpartition("/")[2].removesuffix(".java")
            return f"{package[1]}.{name}" if package else name
    return ""


def _java_ports(tree: Tree, folder: str, *, is_spring: bool) -> tuple[int, ...]:
    settings = (
        text for _, text in sources(tree, folder, "application.properties", "application.yml", "application.yaml")
    )
    if is_spring:
        return port(settings, *_SPRING_PORT) or (8080,)
    return port((text for _, text in sources(tree, folder, ".java")), *_JAVA_PORTS)


def ruby(tree: Tree, folder: str) -> Recipe | None:
    """Rails, anything with Rack, or app.rb."""
    found = _ruby_start(tree, folder)
    if found is None:
        return None
    start, ports = found
    version = pinned(tree, folder, (".ruby-version", "Gemfile"), r"(?:^|ruby[- ][\"']?)(\d\.\d)") or "3.4"
    lock = " Gemfile.lock" if tree.has(folder, "Gemfile.lock") else ""
    text = dockerfile(
        "Ruby",
        f"FROM ruby:{version}-slim",
        "RUN apt-get update && apt-get install -y --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*",
        "WORKDIR /app",
        "",
        "# Gems first: they are installed anew only when they change.",
        f"COPY Gemfile{lock} ./",
        "RUN bundle install",
        "",
        "COPY . .",
        "RUN mkdir -p tmp log && chmod 777 tmp log",
        "ENV HOME=/tmp APP_ENV=development BIND=0.0.0.0",
        f"USER {USER}",
        expose(ports),
        command(*start),
    )
    return Recipe("Ruby", text, ports, ("tmp", "log", "vendor/bundle"))


def _ruby_start(tree: Tree, folder: str) -> tuple[tuple[str, ...], tuple[int, ...]] | None:
    """The command, and the ports that it listens on."""
    if tree.has(folder, "bin/rails"):
        return ("bin/rails", "server", "-b", "0.0.0.0", "-p", "3000"), (3000,)
    if tree.has(folder, "config.ru"):
        return ("bundle", "exec", "rackup", "--host", "0.0.0.0", "--port", "9292"), (9292,)
    if tree.has(folder, "app.rb"):
        return ("bundle", "exec", "ruby", "app.rb"), (4567,) if "sinatra" in tree.read(folder, "Gemfile") else ()
    return None


def dotnet(tree: Tree, folder: str) -> Recipe | None:
    """A project of .NET that makes a program: a web one, or one with `OutputType` Exe."""
    name = next((each for each in tree.names(folder) if each.endswith(".csproj")), "")
    project = tree.read(folder, name)
    is_web = "Microsoft.NET.Sdk.Web" in project
    if not is_web and "<OutputType>Exe" not in project:
        return None
    found = re.search(r"<TargetFramework>net(\d+\.\d+)<", project)
    version = found[1] if found else "10.0"
    ports: tuple[int, ...] = (8080,) if is_web else ()
    text = dockerfile(
        ".NET",
        f"FROM mcr.microsoft.com/dotnet/sdk:{version} AS build",
        "WORKDIR /src",
        "",
        "# Packages first: they are fetched anew only when they change.",
        f"COPY {name} ./",
        cached("/root/.nuget/packages", f"dotnet restore {name}"),
        "",
        "COPY . .",
        cached("/root/.nuget/packages", f"dotnet publish {name} -c Release -o /out"),
        "",
        f"FROM mcr.microsoft.com/dotnet/{'aspnet' if is_web else 'runtime'}:{version}",
        "WORKDIR /app",
        "COPY --from=build /out ./",
        "ENV ASPNETCORE_HTTP_PORTS=8080" if is_web else "",
        f"USER {USER}",
        expose(ports),
        command("dotnet", name.removesuffix(".csproj") + ".dll"),
    )
    return Recipe(".NET", text, ports, ("**/bin", "**/obj"))


def rust(tree: Tree, folder: str) -> Recipe | None:
    """A package of Cargo with a program of its own."""
    cargo = tree.read(folder, "Cargo.toml")
    package = re.search(r"(?ms)^\[package\].*?^name\s*=\s*\"([\w-]+)\"", cargo)
    if package is None or not tree.has(folder, "src/main.rs"):
        return None
    named = re.search(r"(?ms)^\[\[bin\]\].*?^name\s*=\s*\"([\w-]+)\"", cargo)
    name = named[1] if named else package[1]
    ports = port((text for _, text in sources(tree, folder, ".rs")), *_RUST_PORTS)
    text = dockerfile(
        "Rust",
        "FROM rust:1-slim-bookworm AS build",
        "WORKDIR /src",
        "COPY . .",
        "# What was fetched and compiled stays in the caches, so nothing has to come before the sources.",
        "RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target "
        f"cargo build --release && cp target/release/{name} /app",
        "",
        "FROM debian:bookworm-slim",
        "COPY --from=build /app /app",
        f"USER {USER}",
        expose(ports),
        command("/app"),
    )
    return Recipe("Rust", text, ports, ("**/target",))
