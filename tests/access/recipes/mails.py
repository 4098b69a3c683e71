"""Mail, and the addresses that take none."""

from tests.access.callers import Scene
from tests.access.recipes.book import Call, recipe


@recipe
async def list_mails(scene: Scene) -> Call:
    await scene.premises.mail(scene.workspace.id)
    return Call()


@recipe
async def get_mail(scene: Scene) -> Call:
    return Call(path={"mail": await scene.premises.mail(scene.workspace.id)})


@recipe
async def resend_mail(scene: Scene) -> Call:
    return Call(path={"mail": await scene.premises.mail(scene.workspace.id)})


@recipe
async def list_suppressed_addresses(scene: Scene) -> Call:
    return Call()


@recipe
async def lift_suppressed_address(scene: Scene) -> Call:
    return Call(path={"address": await scene.premises.suppressed(scene.workspace.id)})
