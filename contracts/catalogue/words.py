"""The prose of the page of messages."""

INTRODUCTION = """
# Messages

*Written by `make docs` from `contracts/`; a change belongs there.*

Everything that services and other systems say to each other is on this page: who owns a message, who hears it, what it
holds, and a sample that is understood for ever. The same is there for programs: the gateway serves an AsyncAPI 3.0
document at `/api/asyncapi.json`, and a JSON Schema (2020-12) of each message and reply at `/api/schemas/`, without
signing in.

## Subjects

```
<owner>.requests.v<n>.<name>                            a question with a typed answer     core NATS
<owner>.events.v<n>.<name>.<workspace>                  a fact, told after its commit      JetStream
<owner>.intake.v<n>.<name>.<workspace>.<integration>    what another system asks of us     JetStream
<owner>.deadletters.v<n>.<name>.<workspace>             what could not be applied          JetStream
```

The owner is the service that the subject belongs to: `tickets`, `activity`, `notifications` or `gateway`. A workspace
and an integration are one plain token each (`[a-z0-9_-]`, at most 64), so that rights in NATS can name them. No id of a
ticket is in a subject: it is in the headers and in the body. A dead letter that belongs to no workspace ends in
`unknown`.

## Envelope

Facts travel as CloudEvents 1.0 in binary mode: the attributes are headers, the body is the plain JSON of the fact.
"""

CLOSING = """
## Versions

A contract only grows.

- Within a version, optional fields and new messages may be added; a field that is optional here may be missing in an
  older message. Nothing is removed or renamed, nothing gets another type, a stricter limit or fewer values, and nothing
  becomes required. A test holds each message against what was shipped (`contracts/shipped.json`).
- Anything else is a `v2` subject beside `v1`.
- A reader ignores fields that it does not know, takes a code that it does not know for one, and passes over a message
  of a type that it does not know.
- The samples of every version ever shipped are understood for ever (`contracts/samples/`).

## Sealed texts

A text marked *sealed* holds words of a person. In a message they stand in plain view; in every lasting record the text
stands as `sha256:` and the hex of SHA-256 over salt and text, and salt and text lie beside it, where they can be
deleted. A fact's `salts` names the salt of each sealed text by its JSON pointer (RFC 6901). Where a text was erased,
the digest stands in its place.
"""

SECTIONS = {
    "event_headers": "For a reader who looks at the body alone, `id` and `at` stand there too.",
    "intake_headers": (
        "All may be left out: a bare JSON body is read as well. Structured mode (`application/cloudevents+json`) is"
        " read too; then `id`, `type` and `specversion` are needed, and `data` holds the message."
    ),
    "request_headers": (
        "A request and its reply are plain JSON. A refusal is a reply with the two `Nats-Service-Error` headers, and"
        " `{code, detail}` with its facts as body. `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS` are answered as NATS"
        " ADR-32 says."
    ),
    "letter_headers": "A dead letter holds the whole message as it came, so its own headers are few.",
    "refusals": (
        "Every “no” has a code, for ever. The status is the one over HTTP, and the number in `Nats-Service-Error-Code`;"
        " a dead letter's `reason` is a code too."
    ),
    "streams": (
        "What JetStream keeps. A full stream refuses, and forgets nothing before its age; the dedupe window is a hint,"
        " never the guarantee."
    ),
    "events": (
        "Facts, in the past tense, told after they are committed. Old and new values are codes, never sentences."
        " `ce-position` counts a workspace's facts without holes, so that a reader sees when one is missing."
        " *Audience* says who may see it: `everyone`, `team` (all but guests) or `admins`."
    ),
    "intake": (
        "What other systems may publish. The subject names workspace and integration, and the actor is always that"
        " integration; the body can't say otherwise. The same `ce-id` or `external_id` of an integration takes effect"
        " once, for ever. A workspace that is not known yet is waited for up to a minute; what can't be read or is"
        " refused becomes a dead letter."
    ),
    "requests": (
        "Questions with a typed answer, over core NATS, in a queue group per service. *May ask* is what NATS itself"
        " allows, which is why a service believes the `caller`. A command carries an id, and perhaps its client's own"
        " key: a repeat is given the first answer again."
    ),
    "deadletters": "What a service could not apply: as it came, where it came from, and why. Admins read them.",
    "shapes": "The parts that messages and replies are made of.",
}
