# One service: `docker build --build-arg SERVICE=tickets .`; only that service is inside, so a stray import breaks it.
# Without SERVICE: what provisions. It has the migrations of every service, and the libraries of none.

FROM python:3.13-slim AS libraries
ARG SERVICE=""
ARG TRACING=""
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore uv==0.13.9
ENV UV_PROJECT_ENVIRONMENT=/app/.venv \
    UV_PYTHON=/usr/local/bin/python \
    UV_PYTHON_DOWNLOADS=never \
    UV_COMPILE_BYTECODE=1 \
    UV_NO_CACHE=1
WORKDIR /app
# The manifests alone, so that a change of code keeps this layer. uv needs none of the other services'.
COPY pyproject.toml uv.lock ./
COPY contracts/pyproject.toml contracts/
COPY chassis/pyproject.toml chassis/
# A pattern, which may match nothing.
COPY services/__init__.py services/${SERVICE}/pyproject.tom[l] services/${SERVICE}/
RUN uv sync --quiet --frozen --no-dev --package "${SERVICE:-chassis}" ${TRACING:+--extra tracing}

FROM python:3.13-slim
ARG SERVICE=""
# The accounts of NATS are written there, into a volume that takes its owner from here.
RUN useradd --uid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin counterfoil \
    && install -d -o counterfoil -g counterfoil /var/lib/counterfoil
WORKDIR /app
COPY --from=libraries /app/.venv .venv
COPY contracts contracts
COPY chassis chassis
COPY services/__init__.py services/
COPY services/${SERVICE} services/${SERVICE}
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    COUNTERFOIL_HTTP_HOST=0.0.0.0 \
    COUNTERFOIL_HTTP_PORT=8080 \
    SERVICE=${SERVICE}
# What needs a neighbour fails here.
RUN python -m compileall -q contracts chassis services \
    && python -c "import chassis.deployment, services${SERVICE:+.$SERVICE.app}"
USER 10001:10001
EXPOSE 8080
# It is asked for as long as the container runs: a bare socket takes a quarter of what an HTTP client does to be imported.
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 CMD ["python", "-I", "-S", "-c", \
    "import os, socket; it = socket.create_connection((\"127.0.0.1\", int(os.environ[\"COUNTERFOIL_HTTP_PORT\"])), 3); it.sendall(b\"GET /health/ready HTTP/1.0\\r\\n\\r\\n\"); assert b\" 200 \" in it.recv(16)"]
# The shell only puts the name in, and makes way.
CMD ["sh", "-c", "exec python -m services${SERVICE:+.$SERVICE}"]
