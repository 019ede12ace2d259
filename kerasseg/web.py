"""kerasseg web: a .tflite file as a page that runs it in the browser."""

import webbrowser
from dataclasses import dataclass

from kerasseg import cli
from kerasseg.config import setting
from kerasseg.errors import InputError
from kerasseg.jobs.settings import WebSettings

LAST_PORT = 2**16 - 1


@dataclass(frozen=True)
class WebOptions(WebSettings):
    """Writes a static folder: drop a picture or use the camera, and see what the file makes of it. LiteRT.js does the work.

    The folder has to be served over http; any web server does, and --serve is one for this machine alone.
    """

    tflite: str = setting("", ".tflite file of any recipe", path=True)
    output_dir: str = setting("", "folder to write", path=True)
    workdir: str = setting("", "run directory that the file came from: gives class names and examples", path=True)
    serve: bool = setting(False, "then serve it on 127.0.0.1 and open it, until Ctrl-C")
    port: int = setting(0, "of --serve; 0 takes any that is free", least=0)


def main(options: WebOptions) -> None:
    if not options.tflite or not options.output_dir:
        raise InputError("--tflite or --output_dir is missing; give a .tflite file, and where to write")
    if options.port > LAST_PORT:
        raise InputError(f"--port={options.port} is no port; give one up to {LAST_PORT}, or 0 for any that is free")
    from kerasseg import jobs

    settings = cli.part(options, WebSettings)
    page = jobs.publish(options.tflite, output_dir=options.output_dir, workdir=options.workdir, settings=settings, log=cli.say)
    if not options.serve:
        print(f"{page}: serve its folder over http, or add --serve")
        return
    from kerasseg.browser import server

    try:
        with server.serving(page.parent, port=options.port) as running:
            address = f"http://{server.HOST}:{running.server_port}/"
            cli.say(f"{address} serves {page.parent}, until Ctrl-C")
            webbrowser.open(address)
            running.serve_forever()
    except OSError as error:
        raise InputError(f"--port={options.port} cannot be served ({error.strerror or error}); give another, or 0") from error


if __name__ == "__main__":
    cli.run(main)
