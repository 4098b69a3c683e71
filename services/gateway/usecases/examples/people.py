"""Who is in a first workspace, who asks there, and what was said that no ticket was made of."""

from typing import Final

from contracts.base import Role
from services.gateway.usecases.examples.shapes import Answer, Chat, Colleague, Customer, Reply

COLLEAGUES: Final = {
    "ada": Colleague("Ada Okafor", "ada@example.com", Role.ADMIN),
    "bo": Colleague("Bo Lindgren", "bo@example.com", Role.MEMBER),
    "chen": Colleague("Chen Wei", "chen@example.com", Role.MEMBER),
    "dana": Colleague("Dana Ruiz", "dana@example.com", Role.GUEST),
}

CUSTOMERS: Final = {
    "mira": Customer("Mira Anand", "mira.anand@example.com"),
    "jonas": Customer("Jonas Weber", "jonas.weber@example.org"),
    "priya": Customer("Priya Nair", "priya.nair@example.net"),
    "lea": Customer("Lea Fontaine", "lea.fontaine@example.com"),
    "tomas": Customer("Tomás Oliveira", "tomas.oliveira@example.org"),
    "hanna": Customer("Hanna Lindqvist", "hanna.lindqvist@example.net"),
    "kenji": Customer("Kenji Sato", "kenji.sato@example.com"),
    "grace": Customer("Grace Mbeki", "grace.mbeki@example.org"),
    "pavel": Customer("Pavel Novák", "pavel.novak@example.net"),
    "aisha": Customer("Aisha Rahman", "aisha.rahman@example.com"),
    "sean": Customer("Sean O'Connor", "sean.oconnor@example.org"),
    "ines": Customer("Inés García", "ines.garcia@example.net"),
    "winner": Customer("Prize Department", "prizes@example.net"),
}

CHATS: Final = (
    Chat(
        "aisha",
        (
            Answer("Hello! Do you have a discount for schools?"),
            Reply("ada", "Hello Aisha, we do: half price for teaching, for as long as you teach. Which school is it?"),
            Answer("The evening school in Leeds, about 60 people. Whom do I send the proof to?"),
        ),
    ),
    Chat(
        "sean",
        (
            Answer("Is anyone there? I only want to know whether you are open on Saturdays."),
            Reply("bo", "We are, from nine to one. For an outage we are there on Sundays too."),
            Answer("Perfect, thanks."),
            Reply("bo", "You're welcome, Sean."),
        ),
    ),
    Chat(
        "kenji",
        (Answer("The page about the API says 600 calls a minute. Is that for each token, or for all of them?"),),
    ),
)
