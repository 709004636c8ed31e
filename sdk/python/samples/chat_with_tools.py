"""An agent in a directory of yours: what it wants to run is asked before. Usage: chat_with_tools.py DIRECTORY TEXT"""

import asyncio
import sys

from penguin_sdk import AsyncPenguinClient, events


async def ask(question: str) -> str:
    return await asyncio.to_thread(input, question)


async def main(directory: str, text: str) -> None:
    async with AsyncPenguinClient(chat_api_key="your-key") as client:
        stream = client.chat.stream(text, directory=directory)
        async for event in stream:
            match event:
                case events.Token(text=piece):
                    print(piece, end="", flush=True)
                case events.ToolStarted(action=action, arguments=arguments):
                    print(f"\n> {action} {dict(arguments)}")
                case events.ToolEnded(action=action, status=status):
                    print(f"< {action} {status}")
                case events.ApprovalEvent(phase="asked", approval=approval):
                    said = await ask(f"\n{approval['tool_name']} {approval['resource']}? [y/n] ")
                    if said == "y":
                        await stream.approve(approval)
                    else:
                        await stream.deny(approval, feedback="Find another way.")
                case events.QuestionEvent(phase="asked", question=question):
                    await stream.answer(question, await ask(f"\n{question['text']} "))
        print()


asyncio.run(main(*sys.argv[1:3]))
