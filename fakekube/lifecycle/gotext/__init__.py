"""Go's text templates, as far as kwok's stages use them: text → `Text`, which is rendered with an object.

    lexing      text → pieces: what is to be copied, and actions with their words
    words       the words of one action, read one after the other
    parsing     pieces → functions that write; what is not understood is refused here
    running     those functions
    functions   what can be called

Values are JSON's, so there are no methods, channels or types. Where Go would stop at a value that is missing (a member of
nothing, an index into it), there is nothing instead: `with`, `or` and `if` see to the rest.
Upstream: go: text/template, kwok: pkg/utils/gotpl
"""

from fakekube.lifecycle.gotext.functions import Surroundings
from fakekube.lifecycle.gotext.lexing import TemplateError
from fakekube.lifecycle.gotext.parsing import Text

__all__ = ["Surroundings", "TemplateError", "Text"]
