"""The mail catcher keeps what comes, shows it as plain text, and sends it nowhere."""

import os
import sys
from asyncio import create_subprocess_exec
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx

from chassis.embedded.process import held_port
from tests.support.eventually import eventually

CATCHER = Path(__file__).parents[2] / "deploy" / "mail_catcher.py"


async def test_a_mail_comes_is_listed_and_shown_and_nothing_in_it_can_run(tmp_path: Path) -> None:
    with held_port() as smtp, held_port() as web:
        told = {
            "MAIL_CATCHER_HOST": "127.0.0.1",
            "MAIL_CATCHER_SMTP_PORT": str(smtp),
            "MAIL_CATCHER_HTTP_PORT": str(web),
        }
        process = await create_subprocess_exec(
            *(sys.executable, str(CATCHER), str(tmp_path / "mail")), env=os.environ | told
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{web}") as http:

                async def page() -> httpx.Response | None:
                    try:
                        return await http.get("/")
                    except httpx.TransportError:
                        return None

                await eventually(page, within=30)
                for nth in (1, 2):
                    mail = EmailMessage()
                    mail["From"], mail["To"] = "desk@example.com", f"kim{nth}@example.org"
                    mail["Subject"] = f"<script>alert({nth})</script>"
                    mail.set_content("Grüße")
                    mail.add_alternative("<script>alert(1)</script>", subtype="html")
                    await aiosmtplib.send(mail, hostname="127.0.0.1", port=smtp, start_tls=False)
                listed = await http.get("/")
                links = [part.split('"')[0] for part in listed.text.split('href="')[1:]]
                shown = await http.get(links[0])
                missing = await http.get("/../../etc/passwd")
            assert len(links) == 2
            assert "<script>" not in listed.text
            assert "default-src 'none'" in listed.headers["content-security-policy"]
            assert "kim2@example.org" in shown.text
            assert shown.headers["content-type"].startswith("text/plain")
            assert shown.headers["x-content-type-options"] == "nosniff"
            assert missing.status_code == 404
        finally:
            process.terminate()
            await process.wait()
