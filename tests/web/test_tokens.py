import json

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.web.reader import Browser
from tests.web.vectors import VECTORS, scripts_in


async def test_a_token_is_made_shown_once_and_revoked(desk: Desk, browser: Browser) -> None:
    path = f"/w/{desk.workspace.slug}/settings/tokens"
    page = await browser.open(path)
    form = page.form(path)
    assert '"Authorization": "Bearer cf_your_token"' in page.one("pre", id="mcp").words
    assert form.fields["expires_in_days"] == ["90"]
    bad = await browser.send(form, name="Deploys", expires_in_days="7")
    assert bad.status == 422
    assert {e.attributes["name"] for e in bad.all("input", aria_invalid="true")} == {"scopes"}
    assert bad.one("input", id="name").attributes["value"] == "Deploys"
    assert bad.form(path).fields["expires_in_days"] == ["7"]

    made = await browser.send(form, name="Deploys", role="admin", scopes=["tickets:read", "tickets:write"])
    secret = made.one("input", id="secret").attributes["value"]
    assert f"Bearer {secret}" in made.one("pre", id="curl").words
    assert f"/api/v1/workspaces/{desk.workspace.slug}/tickets" in made.one("pre", id="curl").words
    told = json.loads(made.one("pre", id="mcp").words)["mcpServers"]["counterfoil"]
    assert told["headers"] == {"Authorization": f"Bearer {secret}"}
    # The same form again makes no second one, and says why nothing is shown.
    again = await browser.send(form, name="Deploys", role="admin", scopes=["tickets:read", "tickets:write"])
    assert again.status == 409
    page = await browser.open(path)
    assert secret not in again.answer.text + page.answer.text
    assert [e.words for e in page.all("td", class_="named")] == ["Deploys"]
    assert desk.owner.user.name in page.words
    assert "Never" in page.words
    spoken = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    listed = await desk.client.post(told["url"], json=spoken, headers=told["headers"])
    assert "create" in [tool["name"] for tool in listed.json()["result"]["tools"]]
    use = {"authorization": f"Bearer {secret}"}
    assert (await desk.client.get(desk.path("tickets"), headers=use)).status_code == 200
    assert (await desk.client.get(desk.path("members"), headers=use)).status_code == 403

    (end,) = [form for form in page.forms if form.action.startswith(f"{path}/")]
    page = await browser.send(end)

    assert "There are no tokens yet." in page.words
    assert (await desk.client.get(desk.path("tickets"), headers=use)).status_code == 401


async def test_names_that_would_run_stay_names(desk: Desk, browser: Browser) -> None:
    base = f"/w/{desk.workspace.slug}"
    words = [" ".join(vector.split())[:120] for vector in VECTORS if "\u2028" not in vector]
    for line in words[:20:4]:
        await desk.member(Role.MEMBER, line)
    tokens = (await browser.open(f"{base}/settings/tokens")).form(f"{base}/settings/tokens")
    for line in words[4:24:4]:
        tokens.fields["key"] = [line.encode().hex()[:32]]
        made = await browser.send(tokens, name=line, scopes="tickets:read")
        assert (made.status, scripts_in(made)) == (200, [])
    rename = (await browser.open(f"{base}/settings/workspace")).form(f"{base}/settings/workspace")
    await browser.send(rename, name=words[4])
    me = (await browser.open(f"{base}/settings/account")).form(f"{base}/settings/account")
    await browser.send(me, name=words[5])
    invite = (await browser.open(f"{base}/settings/members")).form(f"{base}/settings/members")
    made = await browser.send(invite, name=words[3], email="eve@example.com")
    link = made.one("input", id="link").attributes["value"]
    for path in ("members", "tokens", "workspace", "account"):
        page = await browser.open(f"{base}/settings/{path}")
        assert scripts_in(page) == []
        assert words[4] in page.one("title").words
    page = await browser.open(link)
    assert scripts_in(page) == []
    assert words[4] in page.words
    assert words[3] in page.one("input", id="name").attributes["value"]
