"""What providers' words mean: the table of rules by which `classify.py` reads an error.

A rule names a reason, how strong it is, and the phrases that speak for it. **To teach the classifier a new error,
add one line: the shortest phrase that is particular to it, under the reason it means.** Leave out names, numbers
and whatever else the next error of its kind will say differently.

How phrases are written is told in `phrases.py`: ``{a|b}`` is a choice, ``..`` a gap, ``*`` lets a word go on, ``#``
is a number, and neither case nor punctuation matters.

`SPECIFIC` is for phrases that mean one thing wherever they occur, `GENERIC` for those that many kinds of errors use,
`HINT` for those that say less than a bare status. Between rules of the same rank, **the one further up wins**: so the
order of the groups below is part of the table, and where two reasons share their words the narrower stands first.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from attrs import field, frozen

from .failures import Reason


class Strength(IntEnum):
    """How much a phrase says by itself."""

    HINT = 0
    GENERIC = 1
    SPECIFIC = 2


class Where(IntEnum):
    """Where a phrase is looked for."""

    ANYWHERE = 0
    CODE = 1
    PROSE = 2


@frozen(eq=False)
class Rule:
    """Phrases that speak for a reason; `providers` restricts it to those whose name contains one of these."""

    reason: Reason
    strength: Strength
    phrases: tuple[str, ...]
    where: Where = field(default=Where.ANYWHERE, kw_only=True)
    providers: tuple[str, ...] = field(default=(), kw_only=True)

    def is_for(self, dialect: str) -> bool:
        """Whether the rule holds for a provider of this dialect."""
        return not self.providers or dialect in self.providers


ALIBABA: Final = ("dashscope", "qwen", "alibaba", "aliyun", "bailian", "coding-plan")

_S, _G, _H = Strength.SPECIFIC, Strength.GENERIC, Strength.HINT

_KEY = "{api key|apikey|api token|access key|secret key|subscription key|app key|appkey|app id|appid}"
_BAD = (
    "{invalid|incorrect|wrong|missing|bad|malformed|unknown|unrecognized|revoked|expired|disabled|deactivated"
    "|inactive|illegal}"
)
_GONE = (
    "{not found|does not exist|doesn't exist|do not exist|not exist|is not available|not available|not supported"
    "|isn't supported|no longer|deprecated|decommissioned|retired|has been removed|shut down|discontinued"
    "|is not a valid|not valid|is invalid|unavailable for|is unknown|not recognized|could not be found|not exists"
    "|was not found|not been found|not enabled|not allowed|unsupported|not permitted|end of life}"
)

RULES: Final[tuple[Rule, ...]] = (
    # -- One picture or document is the request's fault, however much its words resemble an overflow. -------------
    Rule(
        Reason.FORMAT,
        _S,
        (
            "{image|images|picture|photo} {exceed*|dimension*|size|too large|too big|is too large|is too small}",
            "{image|images|picture} .. {too large|too big|too small|exceeds|exceed|maximum size|max allowed size}",
            "{pdf|document|file|audio|video|attachment} .. {too large|too big|exceeds|too many pages|page limit}",
            "too many {images|files|documents|pdf pages|attachments|tools|messages|stop sequences}",
            "{maximum|max|at most} .. {images|pdf pages|tools|stop sequences|functions}",
            "{image|images|media|document|video|audio} .. {could not be|cannot be} {processed|decoded|loaded|read}",
            "{image|images|media|document|video|audio} .. {can't be|failed to be} {processed|decoded|loaded|read}",
            "{could not|cannot|unable to|failed to} {process|decode|load} .. {image|images|media|file|url|pdf}",
            "{could not|cannot|unable to|failed to} {download|fetch|read} .. {image|images|media|file|url|pdf}",
            "{unsupported|invalid|corrupt*} {image|images|media type|image url}",
            "{unsupported|invalid|corrupt*} {image format|mime type|base#|base# image*}",
            "{图片|图像|文件} .. {过大|超过|超出|大小|格式|尺寸}",
            "{过大|超过|超出} .. {图片|图像}",
        ),
    ),
    # -- A code that tells which limit it was. --------------------------------------------------------------------
    Rule(
        Reason.BILLING,
        _S,
        (
            "insufficient {balance|credit|credits|fund|funds|account balance|user quota|user balance|points|wallet*}",
            "insufficient .. {credits balance|credit balance|credits}",
            "{balance|credit|credits|funds|points} {insufficient|not enough|too low}",
            "{balance|credit|credits|funds|points} {is too low|is insufficient|exhausted|depleted}",
            "{not enough|no remaining|no more|out of} {credit|credits|balance|funds|points}",
            "{run out of|ran out of|zero|negative|no} {credit|credits|balance|funds|points}",
            "{credit|credits|balance|funds|wallet} .. {too low|exhausted|depleted|insufficient}",
            "{credit|credits|balance|funds|wallet} .. {used up|negative|ran out|run out|not enough|exceeded}",
            "used {up |all |all available |up all }{credits|points|available credits}",
            "used {up your |all your |up all your |}{credits|points|available credits}",
            "used all .. credits",
            "{requires|require|need} more credits",
            "{credit|credits} .. {required|needed}",
            "good standing",
            "{doesn't|does not|no} .. {free tier|free quota tier|free quota}",
            "can only afford",
            "{add|buy|purchase} {more |additional |}{credits|funds|balance}",
            "{top up|recharge} {your |}{account|balance|credits|wallet}",
            "please {top up|recharge|make a payment|pay}",
            "payment {required|failed|overdue|is required|method|declined|past due}",
            "{arrearage|in arrears|arrears|overdue|past due|unpaid|outstanding balance}",
            "billing {hard limit*|not active|inactive|disabled|not enabled|required|issue|details required|account}",
            "{billing|account} .. {is not active|not active|inactive}",
            "{enable|activate|set up|update} .. billing",
            "billing .. {must be enabled|disabled|not enabled|is required}",
            "{spending|spend} {limit|cap|quota}",
            "{budget} .. {exceeded|exhausted|limit|reached}",
            "{exceeded|over|reached} .. budget",
            "plans & billing",
            "plans and billing",
            "{subscription|membership|coding plan|trial} .. {expired|has ended|inactive|not active}",
            "{subscription|membership|coding plan|trial} .. {cancelled|canceled|lapsed|required|is over}",
            "{not have|no|without|lacks} .. {valid|active|paid} .. {subscription|membership}",
            "verify your membership",
            "{no|without|requires a|need a} {active |valid |paid |}subscription",
            "free trial .. {over|ended|used}",
            "key with a higher .. limit",
            "upgrade to a paid account",
            "balance .. please recharge",
            "account balance",
            "credit balance",
            "{余额|餘額} .. {不足|已用|为|耗尽}",
            "{欠费|欠費|充值|逾期|余额不足|未付费|账单|请续费|已到期|已过期请续|套餐已过期|套餐已到期|额度不足|点数不足}",
            "{套餐|订阅|资源包|会员} .. {过期|到期|用尽|用完|失效}",
            "{잔액|残高|クレジット}",
        ),
    ),
    # Alibaba copies OpenAI's code for limits of any kind, and calls tokens per minute an allocation.
    Rule(Reason.QUOTA, _S, ("free .. quota", "free tier only"), providers=ALIBABA),
    Rule(
        Reason.QUOTA,
        _S,
        ("insufficient quota",),
        where=Where.CODE,
        providers=ALIBABA,
    ),
    Rule(
        Reason.RATE_LIMIT,
        _S,
        ("{allocated|allocation} quota",),
        where=Where.PROSE,
        providers=ALIBABA,
    ),
    Rule(Reason.BILLING, _S, ("insufficient quota", "exceeded current quota error"), where=Where.CODE),
    Rule(Reason.QUOTA, _S, ("quota exceeded for .. {metric|quota metric}",)),
    Rule(
        Reason.AUTH,
        _S,
        (
            "{account|organization|organisation} .. {deactivated|suspended|disabled|banned|locked|restricted}",
            "{project|user|workspace|team|tenant|resource} .. {deactivated|suspended}",
            "{project|user|workspace|team|tenant|resource} .. {disabled|banned|locked|restricted}",
            "{account|organization|organisation} .. {terminated|blocked|deleted}",
            "{account|organization|organisation} .. {frozen|forbidden|not a member|abnormal}",
            "{project|user|workspace|team|tenant|resource} .. {terminated|blocked|deleted}",
            "{project|user|workspace|team|tenant|resource} .. {frozen|forbidden|not a member|abnormal}",
        ),
    ),
    # -- Refused for what was said. -------------------------------------------------------------------------------
    Rule(
        Reason.CONTENT_FILTER,
        _S,
        (
            "content {filter|filters|filtered|filtering|policy|policies}",
            "content {management policy|moderation|safety|blocked|violation|violates|risk}",
            "responsible ai polic*",
            "data inspection failed",
            "moderation",
            "{flagged|flags} {by|as|for|because}",
            "{was|been|is|were} flagged",
            "safety {system|systems|filter|filters|polic*|setting*|guideline*}",
            "safety {reason*|check*|violation|block*|rating*|concern*|identifier}",
            "{due to|for|blocked by|by|by our|of} safety",
            "{sensitive|inappropriate|prohibited|unsafe|harmful} {content|request|prompt|text|input}",
            "{sensitive|inappropriate|prohibited|unsafe|harmful} {output|information|material|words|word|generation}",
            "{disallowed|objectionable|offensive|explicit|illegal} {content|request|prompt|text|input}",
            "{disallowed|objectionable|offensive|explicit|illegal} {output|information|material|words|word|generation}",
            "{input|output|prompt} {new |}sensitive",
            "{usage|acceptable use|use|community} {policies|policy|guidelines} .. {violat*}",
            "{violate|violates} .. {usage|content|safety} {policy|policies|guideline*|rules}",
            "{violate|violates} .. {use|community|moderation} {policy|policies|guideline*|rules}",
            "{violating|violated|violation of} .. {usage|content|safety} {policy|policies|guideline*|rules}",
            "{violating|violated|violation of} .. {use|community|moderation} {policy|policies|guideline*|rules}",
            "considered high risk",
            "content .. {exists|contains|has} .. risk",
            "content .. {is|was|has been} blocked",
            "{prompt|response|output|input|request|candidate} {was |is |has been |were |}{blocked|filtered}",
            "blocked by .. {guardrail*|filter|policy|classifier|safety|moderation}",
            "guardrail* .. {block*|interven*|violat*}",
            "{prohibited content|blocklist|spii|recitation|jailbreak*|copyrighted|copyright}",
            "{敏感|不安全内容|违规内容|内容违规|内容安全|内容审核|审核不通过|审核未通过|不合规|不当内容|涉黄|涉政}",
            "违反 .. {规定|政策|法规}",
            "{不適切|부적절}",
        ),
    ),
    Rule(Reason.CONTENT_FILTER, _S, ("{safety|prohibited content|blocklist|recitation}",), where=Where.CODE),
    # -- A parameter that the model does not take, or that looks like one of the words below. ---------------------
    Rule(
        Reason.FORMAT,
        _S,
        (
            "{parameter|param|argument|field|property} .. {is|are} not {supported|permitted|allowed}",
            "{value|role|temperature|top p|tool choice} .. {is|are} not {supported|permitted|allowed}",
            "{tools|tool use|function calling} .. {is|are} not {supported|permitted|allowed}",
            "{response format|system prompt|developer instruction} .. {is|are} not {supported|permitted|allowed}",
            "{unsupported|unknown|unrecognized|extra|unexpected} {parameter*|param|argument*|field*|property}",
            "{unsupported|unknown|unrecognized|extra|unexpected} {key|value|role|keyword|request argument*|enum*}",
            "model is {empty|required|missing}",
            "{model field|model parameter|field model} .. {required|missing|empty}",
            "{missing|must provide|provide|specify} {a |the |}model {parameter|name|field|id}",
            "you must provide a model",
            "{tool|tools} .. not found",
            "no tool {output|call|result} found",
            "{does not|doesn't|do not|don't} support {tools|tool|function*|image*|vision}",
            "{does not|doesn't|do not|don't} support {chat|system|developer|streaming|json}",
            "{does not|doesn't|do not|don't} support {response|thinking|reasoning|the video}",
            "{does not|doesn't|do not|don't} support {video|audio|temperature|parallel|this feature}",
            "{previous response|response with id|conversation|message|file|thread|item} .. not found",
            "{模型|该模型} .. 不支持 .. {调用|参数|方式|图片|工具|功能}",
        ),
        where=Where.PROSE,
    ),
    # -- Something took too long. ---------------------------------------------------------------------------------
    Rule(
        Reason.SERVER_ERROR,
        _S,
        (
            "gateway {timeout|time out|timed out}",
            "bad gateway",
            "upstream connect error",
            "internal {server |}error {while|when|computing|during|processing}",
        ),
    ),
    Rule(
        Reason.TIMEOUT,
        _S,
        (
            "{timed out|timeout|timeouts|time out|took too long|too long to respond|etimedout|timedout}",
            "deadline {exceeded|expired|has elapsed|elapsed|reached}",
            "{超时|タイムアウト|시간 초과|シーケンスタイムアウト}",
        ),
    ),
    # -- The provider is busy. ------------------------------------------------------------------------------------
    Rule(
        Reason.OVERLOADED,
        _S,
        (
            "{overload|overloaded|overloading}",
            "{at|over|no|out of|insufficient|lack of|limited} {available |server |sufficient |model |gpu |}capacity",
            "capacity {exceeded|exhausted|limit*|constraint*|reached|error|available|issue*}",
            "{high|heavy|increased|peak|unusual} {demand|load|traffic|volume|usage}",
            "{server|servers|engine|model} {is |are |currently |too |is currently }busy",
            "{system|service|services|provider|we|api} {is |are |currently |too |is currently }busy",
            "{server|servers|engine|model} {are currently |is too |are too |is temporarily |}busy",
            "{system|service|services|provider|we|api} {are currently |is too |are too |is temporarily |}busy",
            "{model|models|engine|weights} .. {loading|warming up|starting up}",
            "{model|models|engine|weights} .. {being loaded|not ready|initializing|not loaded}",
            "loading model",
            "{queue} .. {full|length|size|exceed*|limit}",
            "{maximum|too many} {pending|queued|queue} {requests|jobs}",
            "no {healthy|available|online|free} {upstream*|deployment*|worker*|provider*|instance*|channel*}",
            "no {healthy|available|online|free} {backend*|replica*|executor*|slot*|server*|node*|gpu*|resources}",
            "no {deployments|instances|workers|replicas|slots|providers|valid executor} {available|left}",
            "no valid executor",
            "{resources|gpu|gpus|compute} .. {insufficient|unavailable|not enough|exhausted}",
            "{繁忙|过载|超载|负载过高|负载较高|负载已饱和|饱和|访问量过大|服务器忙|系统忙|拥挤|排队|高峰|算力不足|资源不足|无可用渠道|忙碌}",
            "{混雑|혼잡|과부하|過負荷}",
        ),
    ),
    # -- The model is not there, or not for this account. ---------------------------------------------------------
    Rule(
        Reason.MODEL_NOT_FOUND,
        _S,
        (
            f"{{model|models|deployment|engine|endpoint}} .. {_GONE}",
            f"{{model|deployment|engine}} {_GONE}",
            "{unknown|unsupported|nonexistent} {model|models|deployment|engine}",
            "{no such|unrecognized|not supported|not found} {model|models|deployment|engine}",
            "no {endpoint|endpoints|model|models} {found|available|matching|named|with}",
            "model {id|identifier|name|code} .. {invalid|not valid|incorrect|wrong}",
            "not a valid model*",
            "{access to|permission to use|permission for} .. model*",
            "{permission to access|authorized to use|allowed to use|entitled to|subscribed to} .. model*",
            "{not|no} .. access .. model*",
            "model .. {not open|access denied|permission denied|access|requires access|no permission}",
            "{on demand throughput|inference profile}",
            "must be verified .. model*",
            "try pulling it",
            "this server cannot run this remote model",
            "model .. not .. {include*|part of|available} .. {plan|subscription|tier}",
            "{plan|subscription|tier} .. {not include|doesn't include|no access to} .. model*",
            "{模型|接入点} .. {不存在|未找到|未开放|未开通|未激活|已下线|下线|无权限|没有权限|不可用|无权访问}",
            "{不存在|不支持|无效|未知|找不到|未开放|无权访问|没有权限使用|无权使用} .. 模型",
            "套餐 .. {未开放|不支持|不包含}",
            "모델 .. 없",
            "モデル .. 存在しません",
        ),
    ),
    Rule(
        Reason.MODEL_NOT_FOUND,
        _S,
        (
            "{model not found|model not exist|no such model|model not open}",
            "{model not ready for account|deployment not found|invalid endpoint or model|model deprecated}",
        ),
        where=Where.CODE,
    ),
    # -- Limits that name their window; the window itself is weighed in `WINDOWS`. --------------------------------
    Rule(
        Reason.QUOTA,
        _S,
        (
            "usage {limit|limits|cap|quota}",
            "usage .. limit .. {reached|exceeded|hit}",
            "out of .. {usage|messages|requests}",
            "used {up|all} .. {allocation|allowance|quota|limit|usage|daily|weekly|monthly}",
            "free .. quota .. {exceeded|exhausted}",
            "quota exhausted",
            "{exceed*|used|reached|hit} .. {allowance|included usage}",
            "{daily|weekly|monthly|hourly|session} {free |usage }{limit|limits|rate limit*|quota}",
            "{daily|weekly|monthly|hourly|session} {message |request |token |}{limit|limits|rate limit*|quota}",
            "{daily|weekly|monthly|hourly|session} {free |usage }{allowance|cap|cap exceeded|allocation}",
            "{daily|weekly|monthly|hourly|session} {message |request |token |}{allowance|cap}",
            "{daily|weekly|monthly|hourly|session} {message |request |token |}{cap exceeded|allocation}",
            "{per day|per week} {free |usage |message |request |token |}{limit|limits|rate limit*|quota}",
            "{per month|#hour|# hour} {free |usage |message |request |token |}{limit|limits|rate limit*|quota}",
            "{per day|per week} {free |usage |message |request |token |}{allowance|cap|cap exceeded|allocation}",
            "{per month|#hour|# hour} {free |usage }{allowance|cap|cap exceeded|allocation}",
            "{per month|#hour|# hour} {message |request |token |}{allowance|cap|cap exceeded|allocation}",
            "{limit|limits|quota|exceeded} {per|a|each} {day|week|month|hour}",
            "{reached|too many|requests|tokens|messages} {per|a|each} {day|week|month|hour}",
            "{model cap|message cap|cap} {exceeded|reached}",
            "{free tier|free quota|free allowance} .. {exhausted|exceeded|used up|depleted|reached|over|limit}",
            "{allowance|free plan|free allocation} .. {exhausted|exceeded|used up|depleted|reached|over|limit}",
            "set inference limit",
            "{try again|come back|retry} tomorrow",
            "{quota|limit|allocation} .. {will reset|resets} .. {day|midnight|tomorrow|utc|hours}",
            "{今日|每日|每天|当日|本月|每月|每周|本周|当天|月度|#小时} .. {限额|上限|次数|配额|额度|用完|限制|用尽}",
            "{使用上限|使用额度|调用次数限额|超过配额|配额已用完|额度已用完|额度已用尽|免费额度}",
            "{额度|配额} .. {用完|用尽|耗尽|已达|达到上限|重置}",
        ),
    ),
    Rule(
        Reason.RATE_LIMIT,
        _S,
        (
            "{tokens|requests|request|token|queries|calls|messages|limit} per {minute|min|second|sec}",
            "{rpm|tpm|qps|tps|rps|itpm|otpm|ipm}",
            "per {minute|second}",
            "{concurren*} .. {limit*|exceed*|too high|too many|reached|maximum|quota}",
            "{too many|max|maximum|exceed*} .. concurren*",
            "{每分钟|每秒|并发数|并发请求|并发量|并发限制|并发过高|频率过高|频率限制|过于频繁|限流|流量限制|速率限制|请求频率|调用频率|频繁}",
        ),
    ),
    # -- It does not fit. -----------------------------------------------------------------------------------------
    Rule(
        Reason.CONTEXT_OVERFLOW,
        _S,
        (
            "context {length|window|size|limit|overflow|too long}",
            "maximum {context|prompt|input|sequence} {length|size|tokens}",
            "exceed* .. context",
            "{input|inputs|prompt} {token|tokens|length} .. max {tokens|new tokens} .. {must|exceed*|limit}",
        ),
    ),
    Rule(
        Reason.FORMAT,
        _S,
        (
            "max {tokens|completion tokens|output tokens|new tokens} .. {exceed*|too large|too high|greater}",
            "max {tokens|completion tokens|output tokens|new tokens} .. {must|maximum value|maximum allowed}",
            "max {tokens|completion tokens|output tokens|new tokens} .. {at most|less than|larger|should be}",
            "max {tokens|completion tokens|output tokens|new tokens} .. {range|invalid|supports|#, which is}",
            "{range of max tokens|invalid max tokens|maximum allowed number of output tokens}",
        ),
    ),
    Rule(
        Reason.CONTEXT_OVERFLOW,
        _S,
        (
            "{prompt|input|request|conversation} {is |are |was |tokens |length |}too long",
            "{message|messages|query|sequence|content|text} {is |are |was |tokens |length |}too long",
            "{prompt|input|inputs|messages|history} .. {too long|too many tokens|too large for}",
            "too long for {the |this |requested |}model",
            "tokens too long",
            "{prompt|input|total|token|tokens|inputs} .. {exceed*|longer than} .. {limit|maximum|max}",
            "{prompt|input|total|token|tokens|inputs} .. {exceed*|longer than} .. {allowed|tokens|model*}",
            "{prompt|input|total|token|tokens|inputs} .. greater than .. {limit|maximum|max|allowed|tokens|model*}",
            "{prompt|input|total|token|tokens|inputs} .. {more than|larger than|over} .. {limit|maximum|max}",
            "{prompt|input|total|token|tokens|inputs} .. {more than|larger than|over} .. {allowed|tokens|model*}",
            "{exceed*|over} .. {maximum|max} .. {input|prompt|tokens|token} {length|limit|allowed|count}",
            "{exceed*|over} .. {limit|number|token*} .. {input|prompt|tokens|token} {length|limit|allowed|count}",
            "exceed* .. {token limit|tokens limit|maximum number of tokens|limit of # tokens|max prompt|max input}",
            "{input length|prompt length|token count|prompt tokens|input tokens} .. {exceed*|limit*|range|maximum}",
            "range of input length",
            "{prompt tokens|input tokens} .. {less than|at most|no more than|within}",
            "{input length|prompt length|total tokens} .. {less than|at most|no more than|within}",
            "{reduce|shorten|truncate} .. {length|prompt|messages|input|conversation|context}",
            "token limit",
            "expected max length",
            "{request|payload|body} {entity |body |payload |size |content |}{is |}{too large|too big}",
            "{request|payload|body} {size |}{exceed*} .. {size|limit|maximum|bytes}",
            "{string|prompt} above max length",
            "{上下文|tokens|token|token数} .. {超|超过|超出}",
            "{上下文长度|上下文过长|输入过长|超过最大长度|输入长度}",
            "{超长|长度超|过长|tokens 超|token 超|超出最大|超过模型}",
            "入力 .. 長すぎ",
            "최대 컨텍스트",
        ),
    ),
    Rule(Reason.CONTEXT_OVERFLOW, _S, ("too many {input |prompt |total |}tokens",), where=Where.PROSE),
    # -- The credential. ------------------------------------------------------------------------------------------
    Rule(
        Reason.FORMAT,
        _S,
        ("signature .. thinking", "thought signature*", "thinking .. signature", "{thinking|redacted thinking} blocks"),
    ),
    Rule(
        Reason.NETWORK,
        _S,
        (
            "{certificate|cert} {has expired|verify|is not|expired|signed|error|unknown}",
            "verify .. certificate",
            "{tls|ssl} {handshake|error|certificate|alert|v#}",
        ),
    ),
    Rule(
        Reason.AUTH,
        _S,
        (
            f"{_BAD} {{x |}}{_KEY}",
            f"{_KEY} .. {{invalid|incorrect|not valid|not found|expired|revoked}}",
            f"{_KEY} .. {{missing|required|disabled|deactivated|blocked|suspended|leaked}}",
            f"{_KEY} .. {{not provided|does not exist|doesn't exist|is wrong|not authorized}}",
            f"{_KEY} .. {{must be|unauthorized|not active|not configured|has been|is empty|mismatch}}",
            f"{{no|didn't provide an|did not provide an|not provide}} .. {_KEY}",
            f"{{provide a valid|provide your|provide an|without an|set the|check your|reissue}} .. {_KEY}",
            f"no {_KEY}",
            "{authentication|authorization|auth} {failed|failure|error|required|fails|credentials|header}",
            "{authentication|authorization|auth} {parameters|token|information|invalid|not provided|denied}",
            "{invalid|missing|bad|incorrect|no|wrong} .. {authentication|authorization|auth|credential}",
            "{invalid|missing|bad|incorrect|no|wrong} .. {credentials|password|username}",
            "{invalid|missing|bad|incorrect|no|wrong} .. {signature|access token|bearer token}",
            "{unauthenticated|not authenticated|not logged in|unauthenticated request}",
            "{unrecognized client*|incomplete signature*|no auth context|login required|session expired}",
            "{reauthenticate|re authenticate|log in again|sign in again}",
            "{please log in|please login|please sign in|please run /login|oauth}",
            "{invalid|expired|missing|revoked|bad|malformed} {access |auth }{token|jwt}",
            "{invalid|expired|missing|revoked|bad|malformed} {authorization |bearer |security }{token|jwt}",
            "{invalid|expired|missing|revoked|bad|malformed} {id |refresh |session }{token|jwt}",
            "{invalid|expired|missing|revoked|bad|malformed} {security |api |user |jwt |}{token|jwt}",
            "{access |auth |security }token {has |has been |is |was |}{expired|revoked|invalid}",
            "{access |auth |security }token {has |has been |is |was |}{not valid|missing|required}",
            "{bearer |session |ide |refresh |}token {has |has been |is |was |}{expired|revoked|invalid}",
            "{bearer |session |ide |refresh |}token {has |has been |is |was |}{not valid|missing|required}",
            "security token .. {invalid|expired}",
            "{credential|credentials} .. {invalid|expired|not found|missing|could not be|failed|required|denied}",
            "signature {does not match|mismatch|failure|invalid|not match|verification failed}",
            "{illegal header value|header value must be}",
            "{country|region|territory|location} .. {not supported|unsupported|not available}",
            "{country|region|territory|location} .. {restricted|is not supported|not allowed|forbidden}",
            "{unsupported|not available in} {your |}{country*|region|location|territory}",
            "{not supported in|not available in your|restricted} {your |}{country*|region|location|territory}",
            "{access terminated|account deactivated|access suspended|access revoked}",
            "{violat*|breach*} .. {terms of service|terms of use|terms and conditions}",
            "{abuse|unusual activity|suspicious activity}",
            "{ip|ip address|client ip} .. {not allowed|not authorized|whitelist*|allowlist*}",
            "{ip|ip address|client ip} .. {blocked|forbidden|restricted|not in|banned|denied}",
            "you have been blocked",
            "{service|api} disabled",
            "has not been used in project",
            "api .. {not enabled|not been enabled|not been used}",
            "must be a member of",
            "{mismatched|invalid|no such} {organization|project}",
            "{does not|do not|doesn't|don't} have {permission*|sufficient permission*}",
            "{does not|do not|doesn't|don't} have {the required|the necessary|authorization|scope*}",
            "{insufficient|missing} {permission*|scope*|privilege*|authentication scope*}",
            "{not authorized|unauthorized} to {perform|access|invoke|use|call|make}",
            "{find|found} .. secret .. name",
            "{身份验证|鉴权|认证失败|未授权|未登录|登录过期|密钥无效|令牌|无效的令牌|无权限|没有权限|无权访问|账号已被锁定|账户已被锁定|账号被|账户被|签名错误|密钥错误|验证失败|身份认证}",
            f"{_KEY} .. {{无效|错误|不存在|过期|不正确|失效|禁用}}",
            f"{{无效|错误|过期|未提供|缺少}} .. {_KEY}",
            "{token|令牌} .. {过期|无效|失效|不正确}",
            "{認証|인증}",
        ),
    ),
    Rule(
        Reason.AUTH,
        _S,
        ("{invalid api key|authentication|authenticationerror|auth failure|unauthenticated|app id no auth}",),
        where=Where.CODE,
    ),
    # -- It broke on the way. -------------------------------------------------------------------------------------
    Rule(
        Reason.NETWORK,
        _S,
        (
            "connection {refused|reset|aborted|closed|error|lost|broken|failed}",
            "connection {failure|terminated|was closed|was reset|dropped|attempts failed}",
            "{econnreset|econnrefused|econnaborted|enotfound|epipe}",
            "{ehostunreach|enetunreach|eai again|und err*|err network|err connection*}",
            "{broken pipe|no such host|getaddrinfo*|name resolution}",
            "{name or service not known|nodename nor servname|could not resolve*|dns}",
            "{eof|socket hang up|fetch failed|network error}",
            "{network is unreachable|no route to host|host unreachable|server disconnected}",
            "{peer closed|incomplete chunked read|incomplete read}",
            "{premature* close*|prematurely closed|remote protocol error|protocol error}",
            "{stream|response|connection|body} .. {closed before|ended unexpectedly}",
            "{stream|response|connection|body} .. {interrupted|cut short|disconnected}",
            "{stream|response|connection|body} .. {terminated unexpectedly|ended without}",
            "{stream|response|connection|body} .. {closed unexpectedly|incomplete|aborted}",
            "{goaway|closed the connection|connection was closed}",
            "{all connection attempts failed|cannot connect|can't connect}",
            "{could not connect|failed to connect|unable to connect|failed to establish}",
            "{error decoding response body|error reading response|unexpected end of stream|chunked encoding}",
            "{read|write|connect|api connection|apiconnection|proxy|ssl} error",
            "{proxy} .. {refused|failed|authentication required|tunnel}",
        ),
        where=Where.PROSE,
    ),
    Rule(
        Reason.UNKNOWN,
        _S,
        (
            "{request|context|operation} {was |}{canceled|cancelled|aborted}",
            "{user|client} {aborted|canceled|cancelled|closed request}",
        ),
    ),
    # == generic words ============================================================================================
    Rule(Reason.UNKNOWN, _G, ("{just a moment|verify you are human|javascript and cookies}",)),
    Rule(Reason.BILLING, _G, ("exceeded .. current quota",)),
    Rule(
        Reason.RATE_LIMIT,
        _G,
        (
            "{rate limit*|ratelimit*|rate limited|rate limiter|rate exceeded|request rate|token rate|rate quota}",
            "too many {requests|calls|tokens error|queries|messages}",
            "{throttl*|slow down|cooling down|cooldown}",
            "{resource exhausted|resource has been exhausted}",
            "{request|requests|call|calls} limit {exceeded|reached}",
            "request .. limit .. {exceeded|reached}",
            "limit requests",
            "limit burst rate",
            "you are sending requests too {quickly|fast|frequently}",
            "{requests|request} too {frequent*|fast|often}",
            "{请求过多|请求太多|频率|并发|限速|请稍后再试请求|访问频次|リクエストが多すぎ|요청이 너무 많}",
        ),
    ),
    Rule(
        Reason.QUOTA,
        _G,
        (
            "quota .. {exceed*|exhausted|reached|limit|used up|reset*|depleted|insufficient}",
            "{exceed*|exhausted|reached|over|out of} .. quota",
            "{quota exceeded|limit exceeded|plan limit*|quota}",
            "{reached|hit|exceeded} {your|the|its} {limit|limits|plan|allowance}",
            "{limit reached|limit has been reached}",
            "{service quota*}",
            "{配额|额度|限额|上限|次数限制}",
            "{할당량|クォータ}",
        ),
    ),
    Rule(Reason.BILLING, _G, ("{billing|credits|insufficient quota|recharge|top up|payment}",)),
    Rule(
        Reason.FORMAT,
        _G,
        (
            "tool {use|result|results|call|calls|choice|call id|use failed|message|use id}",
            "{invalid|malformed|bad|missing|illegal} {parameter*|param|params|argument*|json}",
            "{incorrect|wrong|unsupported|unexpected} {parameter*|param|params|argument*|json}",
            "{invalid|malformed|bad|missing|illegal} {request|input|body|value|format|type|schema}",
            "{incorrect|wrong|unsupported|unexpected} {request|input|body|value|format|type|schema}",
            "{invalid|malformed|bad|missing|illegal} {message*|role*|field*|payload|request body}",
            "{incorrect|wrong|unsupported|unexpected} {message*|role*|field*|payload|request body}",
            "{invalid|malformed|bad|missing|illegal} {tool*|function*|content|media type|data|url|syntax}",
            "{incorrect|wrong|unsupported|unexpected} {tool*|function*|content|media type|data|url|syntax}",
            "{parameter|argument|field|property|value|body|json} .. {invalid|malformed|missing}",
            "{parameter|argument|field|property|value|body|json} .. {required|not supported|must}",
            "{input|request|schema|format} .. {invalid|malformed|missing|required|not supported|must}",
            "{content|message|messages|param} .. {invalid|malformed|missing|required|not supported|must}",
            "{parameter|argument|field|property|value|body|json} .. {incorrect|illegal|not valid}",
            "{parameter|argument|field|property|value|body|json} .. {is not a|not permitted|is not}",
            "{input|request|schema|format} .. {incorrect|illegal|not valid|is not a|not permitted|is not}",
            "{content|message|messages|param} .. {incorrect|illegal|not valid|is not a|not permitted|is not}",
            "{failed|unable|error|could not|cannot} {to |}{deserialize|deserializing|parse|parsing|decode}",
            "{failed|unable|error|could not|cannot} {to |}{decoding|validate|convert|unmarshal|read request}",
            "{validation|validationexception|validation error|value error|type error}",
            "{schema validation|parsing error|parse error|syntax error|unmarshal*|deserialize}",
            "{must be|must have|must not|must contain|must alternate}",
            "{must match|must start|must end|must follow|should be|should match}",
            "{should have|should not|cannot be|can't be|is required}",
            "{are required|is mandatory|not permitted|not allowed|either|mutually exclusive}",
            "{at least one|expected a|expected one|expected string}",
            "{expects|unexpected role|does not match|did not match|did not call}",
            "{not a valid|is not valid|isn't supported|not supported}",
            "{is unsupported|unsupported|not implemented|out of range|cannot fetch|cannot have}",
            "{does not|doesn't|do not} {support|match|accept|allow}",
            "{input should|extra inputs|extra forbidden|field required|extra fields}",
            "{unknown variant|unknown field|unknown name|additional properties|unrecognized}",
            "{参数|格式|入参|请求体|必填|不能为空|非法|有误|不合法|解析失败|パラメータ|매개변수}",
        ),
        where=Where.PROSE,
    ),
    Rule(
        Reason.FORMAT,
        _G,
        (
            "{invalid parameter|invalid argument|missing parameter}",
            "{invalid params|invalid input|malformed*|bad request body}",
            "{invalid request message*|invalid type|missing required*}",
            "{unsupported parameter|unsupported value|unprocessable*|validation*|invalid json}",
            "{invalid value|invalid request body|invalid prompt}",
            "{extra forbidden|unsupported operation|parameter*|json*|tool use failed}",
            "{invalid image*|invalid function*|invalid payload|failed precondition}",
            "{out of range|literal error|string type|unknown parameter|unsupported*}",
        ),
        where=Where.CODE,
    ),
    Rule(
        Reason.AUTH,
        _G,
        (
            "{unauthorized|unauthorised|forbidden|permission denied|access denied}",
            "{not authorized|permission|permissions|accessdenied|permissiondenied|no access}",
            "{authentication|authenticate|credential|credentials|not have access|no permission|login|not allowed to}",
            "{invalid|expired|missing} {key|token}",
            "{token|key|license} .. {expired|invalid}",
            "{api key|apikey|access token|auth token|authorization}",
            "{attention required|cloudflare to restrict access|access to this page has been denied}",
            "{密钥|授权|权限|认证|封禁|冻结}",
        ),
    ),
    Rule(Reason.MODEL_NOT_FOUND, _G, ("{invalid|unknown} model*",)),
    Rule(
        Reason.MODEL_NOT_FOUND,
        _G,
        ("{not found|not exist|does not exist|doesn't exist|not found error|resource not found*|不存在}",),
    ),
    Rule(
        Reason.OVERLOADED,
        _G,
        (
            "{service|server|services|model|api|upstream|provider|system|endpoint|instance} .. unavailable",
            "{temporarily|currently} unavailable",
            "{unavailable|service unavailable|busy|capacity|overload*|too busy|not ready}",
            "{服务不可用|暂不可用|暂时不可用|稍后再试|稍后重试}",
        ),
    ),
    Rule(
        Reason.SERVER_ERROR,
        _G,
        (
            "{internal|internal error|internal server error}",
            "{internal failure|internal service error|bad gateway|service error}",
            "{unknown error|unexpected error|backend error|system error}",
            "{inference error|engine error|upstream error|model error*|model execution error*}",
            "{error|problem} {occurred |}{while |}processing {your |the |this |}request",
            "{an error occurred|something went wrong on our}",
            "{went wrong while processing|had an error|cuda|out of memory|runtime error|traceback|panic}",
            "{内部错误|系统错误|服务异常|服务错误|系统异常}",
            "{服务端错误|服务器错误|未知错误|网络错误|调用错误|内部服务|内部エラー|내부 오류|서버 오류}",
        ),
        where=Where.PROSE,
    ),
    Rule(Reason.AUTH, _G, ("expired",), where=Where.PROSE),
    # == less than a bare status ==================================================================================
    Rule(Reason.FORMAT, _H, ("{invalid request*|bad request*}",)),
    Rule(
        Reason.SERVER_ERROR,
        _H,
        ("{api error|server error|upstream error|bad response status code|provider returned error|internal*}",),
    ),
    Rule(Reason.OVERLOADED, _H, ("try again later",)),
)

DIALECTS: Final = tuple(dict.fromkeys(name for rule in RULES for name in rule.providers))
"""What the name of a provider must contain for the rules that are not for everyone."""

STATUSES: Final[dict[int, Reason]] = {
    400: Reason.FORMAT,
    401: Reason.AUTH,
    402: Reason.BILLING,
    403: Reason.AUTH,
    404: Reason.MODEL_NOT_FOUND,
    405: Reason.FORMAT,
    406: Reason.FORMAT,
    407: Reason.NETWORK,
    408: Reason.TIMEOUT,
    410: Reason.MODEL_NOT_FOUND,
    411: Reason.FORMAT,
    413: Reason.CONTEXT_OVERFLOW,
    414: Reason.CONTEXT_OVERFLOW,
    415: Reason.FORMAT,
    422: Reason.FORMAT,
    429: Reason.RATE_LIMIT,
    431: Reason.CONTEXT_OVERFLOW,
    451: Reason.AUTH,
    498: Reason.OVERLOADED,
    503: Reason.OVERLOADED,
    529: Reason.OVERLOADED,
}
"""What a status says by itself; other statuses from 500 on are a server error, the rest says nothing."""

VENDOR_CODES: Final[dict[str, Reason]] = {
    code: reason
    for reason, codes in {
        # Zhipu: error.code; MiniMax: base_resp.status_code; Baidu: error_code; iFlytek Spark: header.code.
        Reason.AUTH: """error.code=1000 error.code=1001 error.code=1002 error.code=1003 error.code=1004
            error.code=1110 error.code=1111 error.code=1112 error.code=1121 error.code=1220
            baseresp.statuscode=1004 baseresp.statuscode=2049
            errorcode=6 errorcode=13 errorcode=14 errorcode=110 errorcode=111
            header.code=10005 header.code=10015 header.code=10016""",
        Reason.BILLING: "error.code=1113 error.code=1309 baseresp.statuscode=1008",
        Reason.QUOTA: """error.code=1304 error.code=1308 error.code=1310 baseresp.statuscode=2056
            errorcode=17 errorcode=19 header.code=11201""",
        Reason.RATE_LIMIT: """error.code=1302 error.code=1303
            baseresp.statuscode=1002 baseresp.statuscode=1039 baseresp.statuscode=1041 baseresp.statuscode=2045
            errorcode=18 errorcode=336501 errorcode=336502
            header.code=10007 header.code=11202 header.code=11203""",
        Reason.OVERLOADED: "error.code=1312 errorcode=336100 header.code=10008 header.code=10110",
        Reason.TIMEOUT: "baseresp.statuscode=1001",
        Reason.SERVER_ERROR: """error.code=1200 error.code=1230 error.code=1234
            baseresp.statuscode=1013 baseresp.statuscode=1024 baseresp.statuscode=1033
            errorcode=1 errorcode=2 errorcode=336000""",
        Reason.CONTEXT_OVERFLOW: "error.code=1261 errorcode=336103 errorcode=336007 header.code=10907",
        Reason.CONTENT_FILTER: """error.code=1301 baseresp.statuscode=1026 baseresp.statuscode=1027
            header.code=10013 header.code=10014 header.code=10019""",
        Reason.FORMAT: """error.code=1210 error.code=1213 error.code=1214 error.code=1215
            baseresp.statuscode=2013 baseresp.statuscode=1042
            errorcode=336001 errorcode=336002 errorcode=336003 errorcode=336006
            header.code=10003 header.code=10004 header.code=10163""",
        Reason.MODEL_NOT_FOUND: "error.code=1211 error.code=1221 error.code=1311",
    }.items()
    for code in codes.split()
}
"""Numbers that one vendor alone uses, at the place where only this vendor puts them."""

LONG_WINDOWS: Final = (
    "{per|a|each|this|every} {day|week|month|hour}",
    "{perday|perweek|permonth|rpd|tpd|rph}",
    "{daily|weekly|monthly|hourly|tomorrow}",
    "{day|week|month|days|weeks} {limit|quota|window}",
    "by {day|week|month}",
    "{# hour|#hour|# hours|#h|# day|#day|# days|#d|# week|# weeks|# month}",
    "{每日|每天|今日|当日|每月|本月|每周|本周|当天|小时|#天}",
)
SHORT_WINDOWS: Final = (
    "per {#s|# s|# seconds|minute|min|second|sec|# minute|# minutes}",
    "{perminute|persecond|rpm|tpm|qps|rps|tps|requests per minute|tokens per minute|minutely|burst}",
    "{每分钟|每秒|分钟内|秒内|并发|频率}",
)
"""Which window a limit has, where its words tell: hours and longer is a quota, less is a rate limit."""

ONE_MODEL: Final = (
    "{for|on|of|to|specific to} {this |the |that |}model*",
    "{this|per|base} model",
    "for .. model",
    "model {cap|quota|limit|rate limit}",
    "该模型",
)
"""Words by which a quota is one model's, not the credential's."""
