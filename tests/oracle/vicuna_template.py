# SPDX-License-Identifier: Apache-2.0
"""The chat template of the bundled model and of the small models of goldens.py: vicuna_v1, byte for byte.

Imported by train_tiny.py, golden_models.py and chat_prompts.py. `python3 tests/oracle/vicuna_template.py FOLDER...`
writes it into folders.
"""
import pathlib
import sys

NAME = "chat_template.jinja"
TEMPLATE = """{#- vicuna_v1: what LLaVA-1.5 was trained with. A system message takes the place of its own. -#}
{%- macro said(content) %}
    {%- if content is string %}
        {{- content }}
    {%- else %}
        {%- for part in content if part.type == 'image' %}{{ '<image>\\n' }}{% endfor %}
        {%- for part in content if part.type == 'text' %}{{ part.text }}{% endfor %}
    {%- endif %}
{%- endmacro %}
{%- set system = "A chat between a curious user and an artificial intelligence assistant. \
The assistant gives helpful, detailed, and polite answers to the user's questions." %}
{%- set turns = messages %}
{%- if messages and messages[0].role == 'system' %}
    {%- set system = said(messages[0].content) %}
    {%- set turns = messages[1:] %}
{%- endif %}
{{- system + ' ' }}
{%- for turn in turns %}
    {%- if turn.role not in ['user', 'assistant'] %}
        {{- raise_exception('vicuna_v1 has no turns of the role ' ~ turn.role) }}
    {%- endif %}
    {%- set text = said(turn.content) %}
    {{- turn.role | upper ~ ':' }}
    {%- if text %}
        {{- ' ' ~ text ~ (' ' if loop.index0 % 2 == 0 else '</s>') }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- 'ASSISTANT:' }}
{%- endif %}
"""


def write(folder):
    (pathlib.Path(folder) / NAME).write_text(TEMPLATE, encoding="utf-8")


if __name__ == "__main__":
    for one in sys.argv[1:]:
        write(one)
