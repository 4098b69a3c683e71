"""JSON Schemas that tell the rules of texts, which are checked by functions, too."""

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import AfterValidatorFunctionSchema

from contracts.texts import PATTERNS


class Precisely(GenerateJsonSchema):
    """Writes schemas as pydantic does, but for what it can't see."""

    def function_after_schema(self, schema: AfterValidatorFunctionSchema) -> JsonSchemaValue:
        """Describe what is checked by a function of ours."""
        described = super().function_after_schema(schema)
        pattern = PATTERNS.get(schema["function"]["function"])  # type: ignore[arg-type]
        if pattern is None:
            return described
        return (
            {**described, "allOf": [{"pattern": pattern}]}
            if "pattern" in described
            else {**described, "pattern": pattern}
        )
