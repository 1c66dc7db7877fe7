"""What a fuzzer begins with: inputs that come far."""

from dashscope_ftlogs.archive.manifest import Manifest, encode
from dashscope_ftlogs.emulator import generate_job
from dashscope_ftlogs.text import digests

LOG = [line for kind in ("sft", "cpt", "dpo") for line in generate_job(kind, lines=60, seed=1).lines]

_PAGE = b'{"request_id": "r", "output": {"total": 9, "logs": ["a", "\\ud83d", "\\u0000"]}}'
_ERROR = b'{"code": "Throttling.RateQuota", "message": "sk-secret", "request_id": "r"}'
_NESTED = b'{"error": {"type": "InternalError", "message": "sk\\u002dsecret"}}'
_JOB = (
    b'{"job_id": "ft-1", "status": "RUNNING", "hyper_parameters": {"n_epochs": 3, "x": [1e5, null]},'
    b' "training_file_ids": ["a"], "usage": 5}'
)
_ONE = b'{"request_id": "r", "output": ' + _JOB + b"}"
_MANY = b'{"output": {"total": 1, "page_no": 1, "jobs": [' + _JOB + b"]}}"
_SAVED = b'{"output": [{"checkpoint": "checkpoint-00040004", "status": "PENDING", "step": 40004}]}'
_HEAD = b"2.5\n1500\nTue, 24 Nov 2026 08:30:00 GMT\nhttps://x\nreq\0"

SEEDS: dict[str, list[bytes]] = {
    "wire": [
        bytes([choice]) + _HEAD + body
        for choice, body in enumerate([_PAGE, _PAGE, _ONE, _MANY, _SAVED] + [_ERROR, _NESTED] * 18)
    ],
    "records": ["\n".join(LOG[at : at + 6]).encode() for at in range(0, len(LOG), 6)]
    + [
        b"Traceback (most recent call last):\n  File 'a'\nOSError: full\nbye",
        b" 10%|#| 1/10 [00:01<?]\rx",
        b"{'loss': 1.0, 'step': 9}",
        b" 10%|#| 9/9 [00:01<00:09, 1.0s/it]{'loss': 1.0}",
    ],
    "manifest": [
        encode(Manifest(job_id="ft-1", endpoint="https://x", lines=lines, tail=digests(["a"] * lines)))
        for lines in range(4)
    ],
    "config": [
        b"sk-12345678\0https://example.com/api/v1\0cn-beijing\0llm-1\0api_key = 'x'\ntimeout = 5\n",
        b"\0\0\0\0api_key = 'sk-1'\nbase_url = 'http://127.0.0.1:1'\nregion = 'x'\nmax_retries = 3\n",
    ],
    "stored": [
        b'{"offset": 12, "line": "a"}\n{"offset": 13, "line": "\\ud800"}\n',
        b"a\r\n\xff\nb",
        bytes.fromhex("1f8b08000000000002ff4b4ce4020007a1eadd03000000"),
    ],
}
