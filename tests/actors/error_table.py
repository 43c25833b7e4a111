"""Errors in the shapes that providers, gateways, SDKs and networks give them, and what each means.

The texts are written for this table, in the manner of the provider that is named first; they are not recordings. To
add one, add a line: style, status, headers, body, reason, scope, wait.
"""

# ruff: noqa: E501, RUF001 - one line is one error, however long, in whatever script
from __future__ import annotations

import json
from typing import Final, NamedTuple

from understudy.actors.failures import Reason, Scope

MODEL, CREDENTIAL, REQUEST = Scope.MODEL, Scope.CREDENTIAL, Scope.REQUEST
R = Reason


class Case(NamedTuple):
    """One error and its meaning."""

    style: str
    status: int | None
    headers: dict[str, str]
    body: str
    reason: Reason
    scope: Scope
    wait: float | None = None


def _openai(message: str, kind: str | None = None, code: str | int | None = None) -> str:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}, ensure_ascii=False)


def _anthropic(kind: str, message: str) -> str:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})


def _google(code: int, status: str, message: str, *details: dict[str, object]) -> str:
    return json.dumps({"error": {"code": code, "message": message, "status": status, "details": list(details)}})


def _zhipu(code: str, message: str) -> str:
    return json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False)


def _flat(message: str, **more: object) -> str:
    return json.dumps({"message": message, **more}, ensure_ascii=False)


def _per(quota_id: str) -> dict[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}


def _retry(delay: str) -> dict[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


DATE: Final = "Wed, 21 Oct 2026 07:28:00 GMT"
INVALID: Final = "invalid_request_error"

CASES: Final = (
    # ---- rate limits: seconds and minutes
    Case("openai", 429, {}, _openai("Rate limit reached for o9 on tokens per min (TPM): Limit 30000, Used 29000. Please try again in 1.2s.", "tokens", "rate_limit_exceeded"), R.RATE_LIMIT, MODEL, 1.2),
    Case("openai", 429, {"Retry-After-Ms": "812", "retry-after": "1"}, _openai("Too many requests", "requests", "rate_limit_exceeded"), R.RATE_LIMIT, MODEL, 0.812),
    Case("openai", 429, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-tokens": "900", "x-ratelimit-reset-tokens": "9m"}, "", R.RATE_LIMIT, MODEL, 360.0),
    Case("openai", 429, {}, _openai("Request too large for gpt-x in organization o on tokens per min (TPM): Limit 10000, Requested 14000.", "tokens", "rate_limit_exceeded"), R.RATE_LIMIT, MODEL),
    Case("anthropic", 429, {"retry-after": "33"}, _anthropic("rate_limit_error", "This request would exceed your organization's rate limit of 40,000 input tokens per minute."), R.RATE_LIMIT, MODEL, 33.0),
    Case("anthropic", 429, {}, _anthropic("rate_limit_error", "Number of concurrent connections has exceeded your rate limit."), R.RATE_LIMIT, MODEL),
    Case("gemini", 429, {}, _google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details.", _per("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"), _retry("34.07s")), R.RATE_LIMIT, MODEL, 34.07),
    Case("vertex", 429, {}, "[" + _google(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later.") + "]", R.RATE_LIMIT, MODEL),
    Case("bedrock", 429, {"x-amzn-ErrorType": "ThrottlingException:http://internal.amazon.com/"}, _flat("Too many requests, please wait before trying again."), R.RATE_LIMIT, MODEL),
    Case("aws", 400, {}, json.dumps({"__type": "com.amazon.coral.availability#ThrottlingException", "message": "Rate exceeded"}), R.RATE_LIMIT, MODEL),
    Case("azure", 429, {}, json.dumps({"error": {"code": "429", "message": "Requests to the ChatCompletions_Create Operation have exceeded call rate limit of your current pricing tier. Please retry after 26 seconds."}}), R.RATE_LIMIT, MODEL, 26.0),
    Case("mistral", 429, {}, _flat("Requests rate limit exceeded"), R.RATE_LIMIT, MODEL),
    Case("cohere", 429, {}, _flat("You are using a Trial key, which is limited to 20 API calls / minute. You are past the per minute request limit."), R.RATE_LIMIT, MODEL),
    Case("moonshot", 429, {}, _openai("Your account org<ak-x> request reached max organization concurrency: 1, please try again after 1 seconds", "rate_limit_reached_error"), R.RATE_LIMIT, MODEL, 1.0),
    Case("minimax", 200, {}, json.dumps({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}), R.RATE_LIMIT, MODEL),
    Case("zhipu", 429, {}, _zhipu("1302", "当前账户并发过高,请稍后"), R.RATE_LIMIT, MODEL),
    Case("siliconflow", 429, {}, _flat("Request was rejected due to rate limiting. Details: TPM limit reached.", code=50603), R.RATE_LIMIT, MODEL),
    Case("volcengine", 429, {}, json.dumps({"error": {"code": "ModelAccountRpmRateLimitExceeded", "message": "RPM limit of the model was exceeded", "type": "TooManyRequests"}}), R.RATE_LIMIT, MODEL),
    Case("dashscope", 429, {}, json.dumps({"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded, please try again later."}), R.RATE_LIMIT, MODEL),
    Case("chinese", 429, {}, _flat("请求过于频繁，请在 30 秒后重试"), R.RATE_LIMIT, MODEL, 30.0),
    Case("new-api", 429, {}, _openai("您已达到请求数限制：1分钟内最多请求10次", "new_api_error"), R.RATE_LIMIT, MODEL),
    Case("cloudflare", 429, {"retry-after": "10"}, "<!doctype html><html><head><title>Rate limited | error 1015</title></head><body>billing</body></html>", R.RATE_LIMIT, MODEL, 10.0),
    Case("nginx", 429, {}, "<html><head><title>429 Too Many Requests</title></head><body></body></html>", R.RATE_LIMIT, MODEL),
    Case("fireworks", 429, {}, json.dumps({"error": {"object": "error", "type": "rate_limit_exceeded", "message": "slow down"}}), R.RATE_LIMIT, MODEL),
    Case("litellm", 429, {}, _openai("litellm.RateLimitError: RateLimitError: AnthropicException - " + _anthropic("rate_limit_error", "Requests are limited"), "throttling_error", "429"), R.RATE_LIMIT, MODEL),
    Case("openrouter", 200, {}, ": OPENROUTER PROCESSING\n\ndata: " + json.dumps({"id": "x", "error": {"code": 429, "message": "Provider returned error"}, "choices": []}) + "\n\n", R.RATE_LIMIT, MODEL),
    Case("langchain", None, {}, "Error code: 429 - {'error': {'message': 'slow', 'type': 'odd'}}", R.RATE_LIMIT, MODEL),
    # ---- quotas: hours and longer
    Case("gemini", 429, {}, _google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", _per("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), _retry("21s")), R.QUOTA, MODEL, 21.0),
    Case("groq", 429, {}, _openai("Rate limit reached for model `m-8b` in organization `o` on requests per day (RPD): Limit 1000, Used 1000. Please try again in 1m26.4s.", "requests", "rate_limit_exceeded"), R.QUOTA, MODEL, 86.4),
    Case("openai", 429, {}, _openai("Rate limit reached on requests per day (RPD): Limit 200, Used 200. Please try again in 7m12s.", "requests", "rate_limit_exceeded"), R.QUOTA, CREDENTIAL, 432.0),
    Case("openrouter", 429, {}, _openai("Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day", None, 429), R.QUOTA, CREDENTIAL),
    Case("codex", 429, {}, json.dumps({"error": {"type": "usage_limit_reached", "message": "The usage limit has been reached", "resets_in_seconds": 2400}}), R.QUOTA, CREDENTIAL, 2400.0),
    Case("anthropic", 429, {"retry-after": "9000"}, _anthropic("rate_limit_error", "This request would exceed your account's rate limit."), R.QUOTA, CREDENTIAL, 9000.0),
    Case("claude", 429, {}, "You've reached your weekly limit. It resets Friday.", R.QUOTA, CREDENTIAL),
    Case("copilot", 402, {}, _flat("You have exceeded your premium request allowance for the month"), R.QUOTA, CREDENTIAL),
    Case("zhipu", 429, {}, _zhipu("1310", "已达到每周使用上限"), R.QUOTA, CREDENTIAL),
    Case("github", 429, {}, _openai("Rate limit of 50 per 86400s exceeded for UserByModelByDay. Please wait 40000 seconds before retrying.", None, "RateLimitReached"), R.QUOTA, MODEL, 40_000.0),
    Case("chinese", 429, {}, _flat("该模型今日免费额度已用完，请明天再试"), R.QUOTA, MODEL),
    Case("baidu", 200, {}, json.dumps({"error_code": 17, "error_msg": "Open api daily request limit reached"}), R.QUOTA, CREDENTIAL),
    Case("cohere", 429, {}, _flat("You are using a Trial key, which is limited to 1000 API calls / month."), R.QUOTA, CREDENTIAL),
    Case("together", 429, {}, "Monthly quota exceeded. Try again in 3 days.", R.QUOTA, CREDENTIAL, 259_200.0),
    # ---- billing
    Case("openai", 429, {}, _openai("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "insufficient_quota"), R.BILLING, CREDENTIAL),
    Case("openai", 400, {}, _openai("Billing hard limit has been reached", INVALID, "billing_hard_limit_reached"), R.BILLING, CREDENTIAL),
    Case("openai", 429, {}, _openai("Your account is not active, please check your billing details on our website.", "billing_not_active", "billing_not_active"), R.BILLING, CREDENTIAL),
    Case("anthropic", 400, {}, _anthropic(INVALID, "Your credit balance is too low to use the API."), R.BILLING, CREDENTIAL),
    Case("anthropic", 402, {}, _anthropic("billing_error", "There's an issue with your payment."), R.BILLING, CREDENTIAL),
    Case("deepseek", 402, {}, _openai("Insufficient Balance", "unknown_error", INVALID), R.BILLING, CREDENTIAL),
    Case("openrouter", 402, {}, _openai("This request requires more credits. You requested up to 4096 tokens, but can only afford 112.", None, 402), R.BILLING, CREDENTIAL),
    Case("xai", 403, {}, json.dumps({"code": "permission denied", "error": "Your team has used all available credits or reached its spending limit."}), R.BILLING, CREDENTIAL),
    Case("zhipu", 429, {}, _zhipu("1113", "您的账户已欠费,请充值后重试"), R.BILLING, CREDENTIAL),
    Case("minimax", 200, {}, json.dumps({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}), R.BILLING, CREDENTIAL),
    Case("moonshot", 429, {}, _openai("Your account is suspended due to insufficient balance, please recharge your account", "exceeded_current_quota_error"), R.BILLING, CREDENTIAL),
    Case("dashscope", 400, {}, json.dumps({"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."}), R.BILLING, CREDENTIAL),
    Case("siliconflow", 403, {}, _flat("Sorry, your account balance is insufficient", code=30001), R.BILLING, CREDENTIAL),
    Case("one-api", 403, {}, _openai("用户额度不足, 剩余额度: $0.00", "one_api_error", "insufficient_user_quota"), R.BILLING, CREDENTIAL),
    Case("stepfun", 402, {}, "", R.BILLING, CREDENTIAL),
    Case("chinese", 400, {}, _flat("账户余额不足"), R.BILLING, CREDENTIAL),
    Case("litellm", 400, {}, _openai("Budget has been exceeded! Current cost: 12.5, Max budget: 12.0", "budget_exceeded", "400"), R.BILLING, CREDENTIAL),
    Case("gemini", 429, {}, _google(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please go to AI Studio to manage your project."), R.BILLING, CREDENTIAL),
    # ---- credentials
    Case("openai", 401, {}, _openai("Incorrect API key provided: sk-abcd1234. Find yours on the keys page.", INVALID, "invalid_api_key"), R.AUTH, CREDENTIAL),
    Case("openai", 403, {}, _openai("Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"), R.AUTH, CREDENTIAL),
    Case("anthropic", 401, {}, _anthropic("authentication_error", "invalid x-api-key"), R.AUTH, CREDENTIAL),
    Case("anthropic", 403, {}, _anthropic("permission_error", "OAuth token has been revoked."), R.AUTH, CREDENTIAL),
    Case("gemini", 400, {}, _google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", {"reason": "API_KEY_INVALID"}), R.AUTH, CREDENTIAL),
    Case("gemini", 400, {}, _google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), R.AUTH, CREDENTIAL),
    Case("gemini", 403, {}, _google(403, "PERMISSION_DENIED", "Your API key was reported as leaked."), R.AUTH, CREDENTIAL),
    Case("azure", 401, {}, json.dumps({"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}), R.AUTH, CREDENTIAL),
    Case("bedrock", 403, {"x-amzn-errortype": "UnrecognizedClientException"}, _flat("The security token included in the request is invalid."), R.AUTH, CREDENTIAL),
    Case("bedrock", 403, {}, _flat("The security token included in the request is expired"), R.AUTH, CREDENTIAL),
    Case("aws", 403, {}, json.dumps({"__type": "InvalidSignatureException", "message": "The request signature we calculated does not match the signature you provided."}), R.AUTH, CREDENTIAL),
    Case("minimax", 200, {}, json.dumps({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}), R.AUTH, CREDENTIAL),
    Case("zhipu", 401, {}, _zhipu("1000", "身份验证失败"), R.AUTH, CREDENTIAL),
    Case("iflytek", 200, {}, json.dumps({"header": {"code": 10005, "message": "appid not authorized"}}), R.AUTH, CREDENTIAL),
    Case("new-api", 401, {}, _openai("无效的令牌", "new_api_error", ""), R.AUTH, CREDENTIAL),
    Case("fastapi", 403, {}, json.dumps({"detail": "Not authenticated"}), R.AUTH, CREDENTIAL),
    Case("plain", 401, {}, "Unauthorized", R.AUTH, CREDENTIAL),
    Case("plain", None, {}, "HTTP 401", R.AUTH, CREDENTIAL),
    Case("cloudflare", 403, {}, "<html><head><title>Access denied | api.example.com used Cloudflare to restrict access</title></head></html>", R.AUTH, CREDENTIAL),
    Case("perplexity", 401, {}, "<html><head><title>401 Authorization Required</title></head></html>", R.AUTH, CREDENTIAL),
    Case("gateway", 200, {}, json.dumps({"status": 401, "error": "invalid bearer token"}), R.AUTH, CREDENTIAL),
    # ---- the model is not there
    Case("openai", 404, {}, _openai("The model `gpt-x` does not exist or you do not have access to it.", INVALID, "model_not_found"), R.MODEL_NOT_FOUND, MODEL),
    Case("anthropic", 404, {}, _anthropic("not_found_error", "model: claude-x"), R.MODEL_NOT_FOUND, MODEL),
    Case("gemini", 404, {}, _google(404, "NOT_FOUND", "models/gemini-x is not found for API version v1beta, or is not supported for generateContent."), R.MODEL_NOT_FOUND, MODEL),
    Case("azure", 404, {}, json.dumps({"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}), R.MODEL_NOT_FOUND, MODEL),
    Case("bedrock", 403, {}, json.dumps({"__type": "AccessDeniedException", "message": "You don't have access to the model with the specified model ID."}), R.MODEL_NOT_FOUND, MODEL),
    Case("groq", 400, {}, _openai("The model `x` has been decommissioned.", INVALID, "model_decommissioned"), R.MODEL_NOT_FOUND, MODEL),
    Case("mistral", 400, {}, _flat("Invalid model: mistral-x", type="invalid_model", code="1500"), R.MODEL_NOT_FOUND, MODEL),
    Case("openrouter", 400, {}, _openai("foo/bar is not a valid model ID", None, 400), R.MODEL_NOT_FOUND, MODEL),
    Case("openrouter", 404, {}, _openai("No endpoints found for foo/bar.", None, 404), R.MODEL_NOT_FOUND, MODEL),
    Case("ollama", 404, {}, json.dumps({"error": 'model "x" not found, try pulling it first'}), R.MODEL_NOT_FOUND, MODEL),
    Case("deepseek", 400, {}, _openai("Model Not Exist", INVALID, INVALID), R.MODEL_NOT_FOUND, MODEL),
    Case("zhipu", 400, {}, _zhipu("1211", "模型不存在"), R.MODEL_NOT_FOUND, MODEL),
    Case("volcengine", 404, {}, json.dumps({"error": {"code": "ModelNotOpen", "message": "Your account has not activated the model. Please activate it in the console.", "type": "NotFound"}}), R.MODEL_NOT_FOUND, MODEL),
    Case("fireworks", 404, {}, _openai("Model not found, inaccessible, and/or not deployed", INVALID), R.MODEL_NOT_FOUND, MODEL),
    Case("copilot", 400, {}, _openai("The requested model is not supported.", INVALID, "model_not_supported"), R.MODEL_NOT_FOUND, MODEL),
    Case("plain", 410, {}, "", R.MODEL_NOT_FOUND, MODEL),
    Case("xai", 400, {}, json.dumps({"code": "Client specified an invalid argument", "error": "Model not found: grok-x"}), R.MODEL_NOT_FOUND, MODEL),
    # ---- it does not fit
    Case("openai", 400, {}, _openai("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", INVALID, "context_length_exceeded"), R.CONTEXT_OVERFLOW, REQUEST),
    Case("anthropic", 400, {}, _anthropic(INVALID, "prompt is too long: 210000 tokens > 200000 maximum"), R.CONTEXT_OVERFLOW, REQUEST),
    Case("anthropic", 400, {}, _anthropic(INVALID, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"), R.CONTEXT_OVERFLOW, REQUEST),
    Case("anthropic", 413, {}, _anthropic("request_too_large", "Request exceeds the maximum size"), R.CONTEXT_OVERFLOW, REQUEST),
    Case("gemini", 400, {}, _google(400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."), R.CONTEXT_OVERFLOW, REQUEST),
    Case("bedrock", 400, {"x-amzn-errortype": "ValidationException"}, _flat("Input is too long for requested model."), R.CONTEXT_OVERFLOW, REQUEST),
    Case("llama.cpp", 400, {}, json.dumps({"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it", "type": "exceed_context_size_error"}}), R.CONTEXT_OVERFLOW, REQUEST),
    Case("tgi", 422, {}, json.dumps({"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens", "error_type": "validation"}), R.CONTEXT_OVERFLOW, REQUEST),
    Case("sglang", 400, {}, json.dumps({"object": "error", "message": "The input (9000 tokens) is longer than the model's context length (8192 tokens)."}), R.CONTEXT_OVERFLOW, REQUEST),
    Case("mistral", 400, {}, _flat("Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", code="3051"), R.CONTEXT_OVERFLOW, REQUEST),
    Case("moonshot", 400, {}, _openai("Invalid request: Your request exceeded model token limit: 8192", INVALID), R.CONTEXT_OVERFLOW, REQUEST),
    Case("cohere", 400, {}, _flat("too many tokens: total number of tokens in the prompt cannot exceed 4081"), R.CONTEXT_OVERFLOW, REQUEST),
    Case("zhipu", 400, {}, _zhipu("1261", "Prompt 超长"), R.CONTEXT_OVERFLOW, REQUEST),
    Case("chinese", 400, {}, _flat("输入内容超过模型上下文长度限制"), R.CONTEXT_OVERFLOW, REQUEST),
    Case("nginx", 413, {}, "<html><head><title>413 Request Entity Too Large</title></head></html>", R.CONTEXT_OVERFLOW, REQUEST),
    Case("lmstudio", 400, {}, json.dumps({"error": "Trying to keep the first 6000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens"}), R.CONTEXT_OVERFLOW, REQUEST),
    # ---- refused
    Case("azure", 400, {}, json.dumps({"error": {"message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", "code": "content_filter", "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation"}}}), R.CONTENT_FILTER, REQUEST),
    Case("openai", 400, {}, _openai("Your request was rejected as a result of our safety system.", "image_generation_user_error", "moderation_blocked"), R.CONTENT_FILTER, REQUEST),
    Case("openai", 400, {}, _openai("Invalid prompt: your prompt was flagged as potentially violating our usage policy.", INVALID, "invalid_prompt"), R.CONTENT_FILTER, REQUEST),
    Case("dashscope", 400, {}, json.dumps({"code": "DataInspectionFailed", "message": "Input data may contain inappropriate content."}), R.CONTENT_FILTER, REQUEST),
    Case("minimax", 200, {}, json.dumps({"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}), R.CONTENT_FILTER, REQUEST),
    Case("moonshot", 400, {}, _openai("The request was rejected because it was considered high risk", "content_filter"), R.CONTENT_FILTER, REQUEST),
    Case("openrouter", 403, {}, _openai("Your input was flagged by the moderation provider", None, 403), R.CONTENT_FILTER, REQUEST),
    Case("gemini", 200, {}, json.dumps({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}), R.CONTENT_FILTER, REQUEST),
    Case("chinese", 400, {}, _flat("输入包含敏感内容"), R.CONTENT_FILTER, REQUEST),
    Case("xai", 403, {}, json.dumps({"code": "forbidden", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE"}), R.CONTENT_FILTER, REQUEST),
    # ---- malformed
    Case("openai", 400, {}, _openai("Unsupported parameter: 'max_tokens' is not supported with this model.", INVALID, "unsupported_parameter"), R.FORMAT, REQUEST),
    Case("openai", 400, {}, _openai("Invalid schema for function 'f': None is not of type 'array'.", INVALID, "invalid_function_parameters"), R.FORMAT, REQUEST),
    Case("openai", 400, {}, _openai("max_tokens is too large: 99999. This model supports at most 4096 completion tokens.", INVALID), R.FORMAT, REQUEST),
    Case("anthropic", 400, {}, _anthropic(INVALID, "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after"), R.FORMAT, REQUEST),
    Case("anthropic", 400, {}, _anthropic(INVALID, "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 6000000 bytes > 5242880 bytes"), R.FORMAT, REQUEST),
    Case("anthropic", 400, {}, _anthropic(INVALID, "max_tokens: 99999 > 64000, which is the maximum allowed number of output tokens"), R.FORMAT, REQUEST),
    Case("anthropic", 400, {}, _anthropic(INVALID, "messages.3.content.0: Invalid `signature` in `thinking` block"), R.FORMAT, REQUEST),
    Case("gemini", 400, {}, _google(400, "INVALID_ARGUMENT", "Please ensure that function response turn comes immediately after a function call turn."), R.FORMAT, REQUEST),
    Case("gemini", 400, {}, _google(400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "foo": Cannot find field.'), R.FORMAT, REQUEST),
    Case("mistral", 422, {}, json.dumps({"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required", "input": {"text": "insufficient balance"}}]}), R.FORMAT, REQUEST),
    Case("deepseek", 422, {}, "Failed to deserialize the JSON body into the target type: missing field `model` at line 429 column 401", R.FORMAT, REQUEST),
    Case("vllm", 400, {}, json.dumps({"object": "error", "message": '"auto" tool choice requires --enable-auto-tool-choice to be set', "type": "BadRequestError", "code": 400}), R.FORMAT, REQUEST),
    Case("zhipu", 400, {}, _zhipu("1214", "messages 参数非法。请检查文档。"), R.FORMAT, REQUEST),
    Case("tencent", 200, {}, json.dumps({"Response": {"Error": {"Code": "InvalidParameterValue", "Message": "role must be user"}, "RequestId": "x"}}), R.FORMAT, REQUEST),
    Case("plain", 400, {}, "", R.FORMAT, REQUEST),
    Case("plain", 405, {}, "Method Not Allowed", R.FORMAT, REQUEST),
    Case("gateway", 502, {"retry-after": "5"}, _openai("upstream said: " + _openai("temperature must be between 0 and 2", INVALID), "upstream_error", 502), R.FORMAT, REQUEST),
    # ---- busy
    Case("anthropic", 529, {}, _anthropic("overloaded_error", "Overloaded"), R.OVERLOADED, MODEL),
    Case("anthropic", 200, {}, "event: error\ndata: " + _anthropic("overloaded_error", "Overloaded") + "\n\n", R.OVERLOADED, MODEL),
    Case("openai", 503, {}, _openai("The engine is currently overloaded, please try again later", "server_error"), R.OVERLOADED, MODEL),
    Case("gemini", 503, {}, _google(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), R.OVERLOADED, MODEL),
    Case("gemini", 503, {}, _google(503, "UNAVAILABLE", "This model is currently experiencing high demand."), R.OVERLOADED, MODEL),
    Case("huggingface", 503, {}, json.dumps({"error": "Model x/y is currently loading", "estimated_time": 42.5}), R.OVERLOADED, MODEL, 42.5),
    Case("llama.cpp", 503, {}, json.dumps({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}), R.OVERLOADED, MODEL),
    Case("tgi", 429, {}, json.dumps({"error": "Model is overloaded", "error_type": "overloaded"}), R.OVERLOADED, MODEL),
    Case("moonshot", 429, {}, _openai("The engine is currently overloaded, please try again later", "engine_overloaded_error"), R.OVERLOADED, MODEL),
    Case("siliconflow", 503, {}, json.dumps({"code": 50505, "message": "Model service overloaded. Please try again later."}), R.OVERLOADED, MODEL),
    Case("deepseek", 503, {}, "Service is too busy. We advise users to temporarily switch to other providers.", R.OVERLOADED, MODEL),
    Case("zhipu", 429, {}, _zhipu("1312", "当前模型使用人数较多,请稍后再试"), R.OVERLOADED, MODEL),
    Case("chinese", 500, {}, _flat("系统繁忙，请稍后再试"), R.OVERLOADED, MODEL),
    Case("new-api", 503, {}, _openai("当前分组上游负载已饱和，请稍后再试", "new_api_error", "get_channel_failed"), R.OVERLOADED, MODEL),
    Case("nginx", 503, {}, "<html><head><title>503 Service Temporarily Unavailable</title></head></html>", R.OVERLOADED, MODEL),
    Case("bedrock", 503, {"x-amzn-errortype": "ServiceUnavailableException"}, _flat("Bedrock is unable to process your request."), R.OVERLOADED, MODEL),
    Case("plain", 503, {"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": DATE}, "", R.OVERLOADED, MODEL, 30.0),
    Case("plain", 503, {"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, "", R.OVERLOADED, MODEL),
    # ---- too slow
    Case("plain", 408, {}, "", R.TIMEOUT, MODEL),
    Case("openai", 408, {}, _openai("Timed out generating response. Please try again with a shorter prompt.", "timeout"), R.TIMEOUT, MODEL),
    Case("gemini", 504, {}, _google(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."), R.TIMEOUT, MODEL),
    Case("go", None, {}, "Post \"https://api.example.com\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)", R.TIMEOUT, MODEL),
    Case("python", None, {}, "HTTPSConnectionPool(host='h', port=443): Read timed out. (read timeout=60)", R.TIMEOUT, MODEL),
    Case("bedrock", 408, {"x-amzn-errortype": "ModelTimeoutException"}, _flat("The model took too long to respond"), R.TIMEOUT, MODEL),
    Case("chinese", None, {}, "请求超时", R.TIMEOUT, MODEL),
    # ---- broken on the way
    Case("node", None, {}, "TypeError: fetch failed\n  cause: Error: getaddrinfo ENOTFOUND api.example.com", R.NETWORK, MODEL),
    Case("node", None, {}, "read ECONNRESET", R.NETWORK, MODEL),
    Case("go", None, {}, "dial tcp 10.0.0.1:443: connect: connection refused", R.NETWORK, MODEL),
    Case("go", None, {}, "tls: failed to verify certificate: x509: certificate has expired", R.NETWORK, MODEL),
    Case("go", None, {}, "unexpected EOF", R.NETWORK, MODEL),
    Case("python", None, {}, "peer closed connection without sending complete message body (incomplete chunked read)", R.NETWORK, MODEL),
    Case("curl", None, {}, "curl: (6) Could not resolve host: api.example.com", R.NETWORK, MODEL),
    Case("openai-stream", 200, {}, json.dumps({"error": {"message": "stream closed before completion"}}), R.NETWORK, MODEL),
    # ---- the provider's own fault
    Case("openai", 500, {}, _openai("The server had an error while processing your request. Sorry about that!", "server_error"), R.SERVER_ERROR, MODEL),
    Case("anthropic", 500, {}, _anthropic("api_error", "Internal server error"), R.SERVER_ERROR, MODEL),
    Case("gemini", 500, {}, _google(500, "INTERNAL", "An internal error has occurred. Please retry or report."), R.SERVER_ERROR, MODEL),
    Case("nginx", 502, {}, "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>", R.SERVER_ERROR, MODEL),
    Case("nginx", 504, {}, "<html><head><title>504 Gateway Time-out</title></head></html>", R.SERVER_ERROR, MODEL),
    Case("cloudflare", 520, {}, "<html><head><title>Web server is returning an unknown error</title></head></html>", R.SERVER_ERROR, MODEL),
    Case("cloudflare", 525, {}, "", R.SERVER_ERROR, MODEL),
    Case("minimax", 200, {}, json.dumps({"base_resp": {"status_code": 1013, "status_msg": "unknown error"}}), R.SERVER_ERROR, MODEL),
    Case("chinese", 500, {}, _flat("服务器内部错误"), R.SERVER_ERROR, MODEL),
    Case("vllm", 500, {}, json.dumps({"object": "error", "message": "CUDA out of memory", "type": "InternalServerError", "code": 500}), R.SERVER_ERROR, MODEL),
    Case("plain", 599, {}, "oops", R.SERVER_ERROR, MODEL),
    # ---- nothing that tells
    Case("plain", None, {}, "", R.UNKNOWN, MODEL),
    Case("plain", 200, {}, "{}", R.UNKNOWN, MODEL),
    Case("plain", 418, {}, "I'm a teapot", R.UNKNOWN, MODEL),
    Case("plain", 499, {}, _flat("request canceled"), R.UNKNOWN, MODEL),
    Case("plain", None, {}, "\x00\x01 {{{{ \ufffd", R.UNKNOWN, MODEL),
    Case("plain", None, {}, "see line 429 of 503, it took 500 ms and 401 tokens", R.UNKNOWN, MODEL),
)  # fmt: skip
