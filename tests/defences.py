"""Each defence of the loader is needed: without it, the test of its fault fails.

A defence is taken out of a copy of the helpers, and the test named beside it runs against that copy. It takes five
minutes, so `make test` leaves it out: `make defences`.
"""

import sys

import pytest

from tests import mutants

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="some of the tests of faults need Linux")

# what is taken out: (module, code, what stands there instead, the test that must notice)
DEFENCES = {
    "resume with Range": (
        "download", 'headers["Range"] = f"bytes={self._position}-"', "pass", "sources -k dropped_connections"),
    "pass over what is there already": (
        "download", "self._skip = self._position - begin", "self._skip = 0", "sources -k begins_anew"),
    "notice that the file has changed": (
        "download", "(total and total != self._total) or ", "", "sources -k file_that_changes"),
    "try again only so often": (
        "download", "if self._failures > len(PAUSES):", "if self._failures > 9:", "sources -k never_lasts"),
    "pause before trying again": (
        "download", "time.sleep(pause * random.uniform(0.75, 1.25))", "pass",
        "sources -k that_recovers"),
    "longer each time": ("download", "pause = PAUSES[self._failures - 1]", "pause = 1", "sources -k never_lasts"),
    "leave a server that stalls": (
        "download", "timeout=(CONNECT_SECONDS, STALL_SECONDS)", "timeout=(CONNECT_SECONDS, None)",
        "sources -k stalled_server"),
    "leave a server that never answers": (
        "download", "timeout=(CONNECT_SECONDS, STALL_SECONDS)", "timeout=(CONNECT_SECONDS, None)",
        "sources -k silent_server"),
    "resume after a silence": (
        "download", "            if self._was_worth_it():\n", "            if False:\n", "sources -k gone_silent"),
    "leave a server that drips": (
        "download", "raise _Crawls(self._bytes / self._seconds)", "pass", "sources -k dripping"),
    "bear the fastest crawler": ("download", "if not waiting and crawlers:", "if False:", "sources -k fastest_crawler"),
    "count only the wait for the network": (
        "download", "self._seconds += time.monotonic() - start",
        'self._seconds += time.monotonic() - getattr(self, "_last", start); self._last = time.monotonic()',
        "sources -k slow_disk"),
    "hold every file against its hash": (
        "archive", "if digest.hexdigest() != SHA256[name]:", "if False:", "sources -k wrong_bytes"),
    "say that an archive breaks off": (
        "archive", "isinstance(error, EOFError) or", "False and", "sources -k short_body"),
    "ask no second time after 4xx": (
        "download", "if answer.status_code not in (200, 206):\n            raise DatasetError",
        "if answer.status_code not in (200, 206):\n            raise _Broken", "sources -k client_error"),
    "ask again after 5xx": (
        "download", "raise _Broken(f\"the server answered", "raise DatasetError(f\"the server answered",
        "sources -k that_recovers"),
    "recognise a login page": (
        "archive", "_refuse_web_page(head := file.peek(PIECE))", "head = file.peek(PIECE)",
        "sources -k login_page"),
    "recognise a packed login page": (
        "archive", "_refuse_web_page(unpacked.peek(PIECE))", "pass", "sources -k login_page"),
    "recognise a login by its status": (
        "download", "if answer.status_code == 511:", "if False:", "sources -k login_by_status"),
    "read the head whole": ("download", " or self._position < HEAD_BYTES", "", "sources -k byte_by_byte"),
    "bound the redirects": ("download", "MOST_REDIRECTS = 5", "MOST_REDIRECTS = 6", "sources -k Redirects"),
    "end a loop of redirects": ("download", "MOST_REDIRECTS = 5", "MOST_REDIRECTS = 10**9", "sources -k loop_is_left"),
    "never go down to http": (
        "download", '("https",) if urlsplit(url).scheme == "https" else ("http", "https")', '"http", "https"',
        "sources -k downgrade"),
    "never leave the web": (
        "download", "raise DatasetError(f\"it redirects to an address that is not safe", "str(f\"",
        "sources -k out_of_the_web"),
    "check certificates": (
        "download", "stream=True, allow_redirects", "stream=True, verify=False, allow_redirects",
        "sources -k not_trusted"),
    "use the proxy": (
        "download", "self._session = requests.Session()",
        "self._session = requests.Session(); self._session.trust_env = False", "sources -k proxy_is_used"),
    "knock at the proxy, not at the server": (
        "download", "proxies = requests.utils.get_environ_proxies(url, no_proxy=None)", "proxies = {}",
        "sources -k proxy_is_used"),
    "give up a network that swallows everything": (
        "download", "_within(patience, socket.create_connection, (parts.hostname, port), patience).close()",
        "socket.create_connection((parts.hostname, port), 600).close()", "sources -k swallows"),
    "give a hanging npm up": (
        "download", "if time.monotonic() - since > patience:", "if False:", "sources -k hanging_npm"),
    "end a hanging npm": ("download", "process.kill()", "pass", "sources -k hanging_npm"),
    "notice that npm is missing": ("download", "if npm is None:", "if False:", "sources -k missing_npm"),
    "quote npm": ("download", 'if "code" in line', "if False", "sources -k failing_npm"),
    "keep a password to oneself": ('download', 're.sub("//[^/]*@", "//", url)', "url", "sources -k password"),
    "tidy up after an interrupt": (
        "cache", "with tempfile.TemporaryDirectory(\n", "with type('Left', (tempfile.TemporaryDirectory,), {'__exit__': lambda *_: None, '_cleanup': lambda *_, **__: None})(\n", "sources -k interrupt"),
    "end quietly after an interrupt": ("data", "except KeyboardInterrupt:", "except ZeroDivisionError:",
                                       "sources -k interrupt"),
    "take regular files only": (
        "archive", "if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse():",
        "if tar.extractfile(member):", "archives -k no_regular_file"),
    "take no sparse member": ("archive", " and not member.issparse()", "", "archives -k sparse"),
    "take no name twice": ("archive", "if name in found:", "if False:", "archives -k two_members"),
    "take the exact size only": ("archive", "if size != FILE_BYTES:", "if False:", "archives -k wrong_size"),
    "refuse a huge member": (
        "archive", " or member.offset_data + member.size > MOST_BYTES", "", "archives -k huge_member"),
    "refuse a huge header": (
        "archive", "if size is None or not 0 <= size <= PIECE:", "if False:", "archives -k huge_header"),
    "refuse a million members": (
        "archive", "number == MOST_MEMBERS or ", "", "archives -k million"),
    "read in pieces": ("archive", "PIECE = 1 << 16", "PIECE = 1 << 26", "archives -k little_memory"),
    "notice that the disk fills up": (
        "download", "except OSError as error:\n        raise DatasetError(\n            f\"CIFAR-10 could not be written",
        "except ZeroDivisionError as error:\n        raise DatasetError(\n            f\"CIFAR-10 could not be written",
        "the_cache -k fills_up"),
    "look at the free space first": (
        "download", "if shutil.disk_usage(folder).free <", "if 0 >", "the_cache -k noticed_at_once"),
    "name the file limit": ("download", "errno.EFBIG:", "-1:", "the_cache -k file_limit"),
    "name the quota": ("download", "errno.EDQUOT:", "-1:", "the_cache -k test_a_quota"),
    "work beside the final names": (
        "cache", 'open(work / cached, "wb")', 'open(folder / cached, "wb")', "the_cache -k killed"),
    "sweep what the dead left": ("cache", "    sweep(folder)\n    with", "    with", "the_cache -k killed_while"),
    "write nothing to open the cache": (
        "data", "records, wrong = cache.read_cache(own)", '(own / ".lock").touch(); records, wrong = cache.read_cache(own)',
        "the_cache -k full_read_only"),
    "write nothing beside a shared copy": (
        "data", "    *shared, own = cache_folders(data_home)\n",
        "    *shared, own = cache_folders(data_home)\n    own.mkdir(parents=True, exist_ok=True)\n",
        "the_cache -k without_an_attempt"),
    "give rights as umask says": (
        "cache", "os.replace(work / cached, folder / cached)",
        "(work / cached).chmod(0o600); os.replace(work / cached, folder / cached)", "the_cache -k umask"),
    "warn of a damaged shared copy": ("data", "        say(f\"The shared", "        str(f\"The shared",
                                      "the_cache -k damaged_shared"),
    "set damaged files aside": ("download", "cache.set_aside(folder, wrong)", "pass", "the_cache -k flipped"),
    "look past the end": ("cache", "if file.read(1):", "if False:", "the_cache -k wrong_length"),
    "set aside, not empty": (
        "cache", "os.replace(folder / cached, folder / f\"{cached}.damaged\")",
        "shutil.copy(folder / cached, folder / f\"{cached}.damaged\"); os.truncate(folder / cached, 0)",
        "the_cache -k open_arrays"),
    "map what was verified": (
        "cache", 'np.memmap(file, dtype=np.uint8, mode="r")', 'np.memmap(file.name, dtype=np.uint8, mode="r")',
        "the_cache -k what_was_verified"),
    "bear a file that is open elsewhere": ("cache", "except PermissionError:", "except ZeroDivisionError:",
                                           "the_cache -k open_elsewhere"),
    "wait for the first": (
        "cache", "        _wait_for_the_first(folder, Path(work))\n", "", "the_cache -k fetch_once"),
    "look again after waiting": ("download", "if not wrong:\n                return", "if False:\n                return",
                                 "the_cache -k fetch_once"),
    "do not wait for the dead": (
        "cache", "return bool(owner) and", "return False and", "the_cache -k dead_process"),
    "do not wait for ever": (
        "cache", " and time.monotonic() - since < QUIET_SECONDS", "", "the_cache -k hanging_process"),
    "do not sweep the living": (
        "cache", " and not psutil.pid_exists(int(owner[\"process\"]))", "", "the_cache -k hanging_process"),
    "sweep what is old": ("cache", "(old or _is_dead(work))", "_is_dead(work)", "the_cache -k foreign"),
    "leave what is foreign": ("cache", "(old or _is_dead(work))", "True", "the_cache -k foreign"),
    "ask for a home": ("data", "except RuntimeError as error:", "except ZeroDivisionError as error:",
                       "the_cache -k without_a_home"),
    "read back what was written": ("data", "raise DatasetError(f\"{own} does not keep", "return own, records\n    str(f\"{own}",
                                   "the_cache -k forgets"),
    "show no traceback": ("errors", "def _render_traceback_", "def _render", "the_cache -k Notebook"),
    "read no further than the sixth file": (
        "archive", "if len(found) == len(SHA256):", "if False:", "sources -k without_end"),
    "leave a server that never recovers": (
        "download", "if self._failures > len(PAUSES):", "if self._failures > 9:", "sources -k does_not_recover"),
    "look at the first bytes": ("archive", 'if head[:2] != b"\\x1f\\x8b":', "if False:", "sources -k something_else"),
    "look at the kind of address": ("download", 'elif scheme not in ("http", "https"):', "elif False:",
                                    "sources -k another_kind"),
    "name the proxy": ("download", "except requests.exceptions.ProxyError", "except ZeroDivisionError",
                       "sources -k proxy_that_is_down"),
    "ask nobody twice who is not there": ("download", 'raise _Unreachable(f"no connection (', 'raise _Broken(f"no connection (',
                                          "sources -k refused_connection"),
    "name what is missing without a network": ("download", "except socket.gaierror", "except ZeroDivisionError",
                                               "sources -k one_error_says"),
    "ask nobody while the cache is sound": (
        "data", "    for records in _open(data_home)[1].values():\n",
        "    download._knock(download.OFFICIAL, 1)\n    for records in _open(data_home)[1].values():\n",
        "sources -k the_cache_serves"),
    "bear an npm that does not start": (
        "download", "except OSError as error:\n            raise DatasetError(f\"npm does",
        "except ZeroDivisionError as error:\n            raise DatasetError(f\"npm does", "sources -k does_not_start"),
    "look at what npm brings": ("archive", "_refuse_web_page(head := file.peek(PIECE))", "head = file.peek(PIECE)",
                                "sources -k brings_something_else"),
    "say that a tar breaks off": (
        "archive", "isinstance(error, EOFError) or", "False and", "archives -k truncated_archive"),
    "put broken bytes into words": ("archive", 'raise DatasetError(f"not a whole', 'raise RuntimeError(f"not a whole',
                                    "archives -k garbled"),
    "name another data set": ("archive", "    if not found:\n", "    if False:\n", "archives -k python_version"),
    "miss no file": ("cache", "if missing := [name for name in SHA256 if name not in stored]:", "if missing := []:",
                     "archives -k file_missing"),
    "extract nothing": (
        "archive", "yield PurePosixPath(member.name).name, member.size",
        "'planted' in member.name and tar.extract(member, '/'); yield PurePosixPath(member.name).name, member.size",
        "archives -k leads_outside"),
    "notice a wrong pixel": ("archive", "if digest.hexdigest() != SHA256[name]:", "if False:", "archives -k wrong_pixel"),
    "notice swapped pictures": ("archive", "if digest.hexdigest() != SHA256[name]:", "if False:", "archives -k swapped"),
    "notice a wrong label": ("archive", "if digest.hexdigest() != SHA256[name]:", "if False:", "archives -k senseless_labels"),
    "look at a picture's size": (
        "archive", "if (picture.mode, picture.size) !=", "if False and (picture.mode, picture.size) !=",
        "archives -k senseless_pictures"),
    "put a folder that cannot be made into words": (
        "download", "except OSError as error:\n        raise DatasetError(\n            f\"CIFAR-10 could not be written",
        "except ZeroDivisionError as error:\n        raise DatasetError(\n            f\"CIFAR-10 could not be written", "the_cache -k cannot_be_made"),
    "put an empty read-only cache into words": (
        "download", "except OSError as error:\n        raise DatasetError(\n            f\"CIFAR-10 could not be written",
        "except ZeroDivisionError as error:\n        raise DatasetError(\n            f\"CIFAR-10 could not be written", "the_cache -k empty_read_only"),
    "use the shared copy": (
        "data", "*shared, own = cache_folders(data_home)", "shared, own = [], cache_folders(data_home)[-1]",
        "the_cache -k sound_shared"),
    "notice a label 10": ("archive", "if digest.hexdigest() != SHA256[name]:", "if False:", "the_cache -k label_10"),
    "bear what cannot be read": (
        "cache", "except OSError as error:\n            complaints", "except ZeroDivisionError as error:\n            complaints",
        "the_cache -k under_a_files_name"),
    "leave nothing damaged under a final name": (
        "download", "cache.set_aside(folder, wrong)", "pass", "the_cache -k without_a_source"),
    "work in a folder of one's own": (
        "cache", "open(work / cached, \"wb\")", "open(folder / cached, \"wb\")", "the_cache -k without_waiting"),
    "take any letter in a path": (
        "cache", "open(folder / cached, \"rb\")", "open(str(folder / cached).encode('ascii', 'ignore'), \"rb\")",
        "the_cache -k strange_path"),
}  # fmt: skip


@pytest.mark.parametrize("defence", DEFENCES)
def test_without_the_defence_the_test_of_its_fault_fails(defence, tmp_path):
    module, code, instead, test = DEFENCES[defence]
    file, _, choice = test.partition(" -k ")
    tests = f"tests/test_faults_of_{file}.py", "-k", choice
    code, said = mutants.run_tests(tmp_path, f"helpers/{module}.py", code, instead, *tests, timeout=45)
    if code is None:
        return  # it waits for ever, which is what the defence prevents
    if code == 0 and "passed" not in said:
        pytest.skip("the test itself is skipped on this machine")
    assert code == 1 or code < 0, f"nobody missed it: {said[-2000:]}"
    assert " error" not in (said.splitlines() or [""])[-1], said[-2000:]
