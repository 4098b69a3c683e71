"""The tickets that are over, or nearly so, in the order of their numbers."""

from typing import Final

from contracts.tickets import Priority, Status
from services.gateway.usecases.examples.shapes import Answer, Comment, Example, Move, Note, Reply

SETTLED: Final = (
    Example(
        "Please remove my old account",
        "I have two accounts by accident. Please remove the one with the old address.",
        "hanna",
        Priority.LOW,
        ("privacy",),
        "ada",
        (
            Note("ada", "Checked by phone that both are hers. The old one had no orders."),
            Move("ada", Status.RESOLVED),
            Move("ada", Status.CLOSED),
        ),
    ),
    Example(
        "E-mail notifications arrive twice",
        "Since Monday each of us gets every notification two times, a minute apart.",
        "tomas",
        tags=("notifications",),
        assignee="bo",
        story=(
            Move("bo", Status.IN_PROGRESS),
            Note("bo", "Two rules matched the same change. Removed the older one."),
            Reply(
                "bo",
                "There were two rules for the same change. One is gone, so it is one mail from now on.",
                Status.RESOLVED,
            ),
            Answer("Confirmed, just one now. Thank you!"),
            Move("bo", Status.RESOLVED),
        ),
        chat=True,
    ),
    Example(
        "You have won a cruise, claim it today",
        "Dear sir or madam, your address was drawn! Send us your bank details within 24 hours.",
        "winner",
        story=(Move("ada", Status.SPAM),),
    ),
    Example(
        "Time zone of the weekly report is wrong",
        "The weekly report says that our week ends on Saturday at 17:00. We are in Tokyo.",
        "kenji",
        Priority.LOW,
        ("reports",),
        "chen",
        (
            Reply(
                "chen", "You can set the zone under Settings, Workspace. I set it to Tokyo for you.", Status.RESOLVED
            ),
            Answer("Looks right now."),
            Move("ada", Status.CLOSED),
        ),
        chat=True,
    ),
    Example(
        "VAT number missing on receipts",
        "Our accountant can't book your receipts, since they lack our VAT number.",
        "ines",
        tags=("billing",),
        assignee="bo",
        story=(
            Reply(
                "bo", "Added, and the receipts of this year were made anew. They are under Billing.", Status.RESOLVED
            ),
            Move("ada", Status.CLOSED),
        ),
        chat=True,
    ),
    Example(
        "Logo looks blurred on the sign-in page",
        "We uploaded 512 by 512 pixels and it shows blurred on all our screens.",
        "grace",
        Priority.LOW,
        ("design",),
        "chen",
        (
            Move("chen", Status.IN_PROGRESS),
            Note("chen", "We scaled it to 64 pixels first. Fixed."),
            Move("chen", Status.RESOLVED),
        ),
    ),
    Example(
        "Two-factor codes are refused",
        "The codes from my app are refused, on the phone and on the laptop.",
        "pavel",
        Priority.HIGH,
        ("login", "security"),
        "ada",
        (
            Reply(
                "ada",
                "Is the clock of your phone set by the network? The codes depend on it.",
                Status.WAITING_ON_CUSTOMER,
            ),
            Answer("It was four minutes late. Works now, thanks."),
            Reply("ada", "Glad to hear. Good that you asked, and no harm done.", Status.RESOLVED),
        ),
        chat=True,
    ),
    Example(
        "How do I add a second warehouse?",
        "We open a second warehouse in June. Where do I enter its address?",
        "lea",
        Priority.LOW,
        ("question",),
        "bo",
        (Reply("bo", "Under Stock, Places, there is *Add a place*. Goods can be in both.", Status.RESOLVED),),
        chat=True,
    ),
    Example(
        "Refund for order 7731",
        "The parcel came back to you last week. When do I get the money?",
        "sean",
        tags=("billing", "refund"),
        assignee="chen",
        story=(
            Reply(
                "chen", "It arrived on Tuesday. The refund is on its way and takes two working days.", Status.RESOLVED
            ),
            Answer("It is there. Thanks!"),
            Move("chen", Status.RESOLVED),
        ),
        chat=True,
    ),
    Example(
        "Search finds nothing for words with an accent",
        "Searching *Müller* finds nothing, *Muller* does. It should be the other way round, or both.",
        "jonas",
        tags=("search",),
        assignee="chen",
        story=(
            Move("chen", Status.IN_PROGRESS),
            Comment("chen", "Needs a rebuilt index; tonight."),
            Move("chen", Status.RESOLVED),
        ),
    ),
    Example(
        "Cheap followers for your page",
        "We sell 10,000 real followers for your page. Answer for a special price.",
        "winner",
        Priority.LOW,
        story=(Move("ada", Status.OPEN), Move("ada", Status.SPAM)),
    ),
    Example(
        "Invoice 2041 shows the wrong address",
        "Our office moved in March. The invoice still has the old street, and accounting sends it back.",
        "jonas",
        tags=("billing",),
        assignee="bo",
        story=(
            Note("bo", "Asked for the VAT number that goes with the new address."),
            Reply(
                "bo",
                "We can change it as soon as we have the VAT number of the new address. Which is it?",
                Status.WAITING_ON_CUSTOMER,
            ),
        ),
        chat=True,
    ),
    Example(
        "Parcel stuck in customs for nine days",
        "Tracking says *held by customs*. Do they need papers from you or from me?",
        "aisha",
        Priority.HIGH,
        ("shipping",),
        "chen",
        (
            Reply(
                "chen",
                "They need the proforma invoice, which I sent them today. I'll tell you when it moves.",
                Status.WAITING_ON_CUSTOMER,
            ),
        ),
        chat=True,
    ),
    Example(
        "Can I change the plan in the middle of the month?",
        "We would like to go from Team to Business now. Do we pay both?",
        "grace",
        Priority.LOW,
        ("billing", "question"),
        "bo",
        (
            Reply(
                "bo",
                "You can, and you pay the difference for the days that are left. Shall I do it?",
                Status.WAITING_ON_CUSTOMER,
            ),
        ),
        chat=True,
    ),
    Example(
        "Report is empty when filtered by region",
        "With *Region: North* the sales report has no row. Without the filter the rows are there.",
        "tomas",
        tags=("reports",),
        assignee="chen",
        story=(
            Note("chen", "Can't reproduce it. Asked for a screenshot with the address bar."),
            Move("chen", Status.WAITING_ON_CUSTOMER),
        ),
    ),
)
