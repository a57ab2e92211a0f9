/* main.c - the bench program. */
int main(void)
{
	return 0;
}
